"""Operators of TensorFlow 2.21 by what they do to whoever runs a graph.

Source: the op definitions that TensorFlow registers (`TF_GetAllOpList`), sorted here by hand: those
that read or write files, speak to a network, call Python, print, hand work to a foreign engine or
another process are `HOST`; what is neither that nor plain computing is `OTHER`.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.formats.look import Effect
from registry.formats.tensorflow_computing import COMPUTING

_HOST = """
    Abort BatchFunction CSVDataset CSVDatasetV2 CacheDataset CacheDatasetV2
    CalibrationStatisticsSaver CloseSummaryWriter CollectiveAllToAllV2 CollectiveAllToAllV3
    CollectiveAssignGroupV2 CollectiveBcastRecv CollectiveBcastRecvV2 CollectiveBcastSend
    CollectiveBcastSendV2 CollectiveGather CollectiveGatherV2 CollectiveInitializeCommunicator
    CollectivePermute CollectiveReduce CollectiveReduceScatterV2 CollectiveReduceV2
    CollectiveReduceV3 ConfigureAndInitializeGlobalTPU ConfigureDistributedTPU Copy CopyHost
    CreateSummaryDbWriter CreateSummaryFileWriter DTensorRestoreV2 DTensorSetGlobalTPUArray
    DataServiceDataset DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4
    DatasetToGraph DatasetToGraphV2 DatasetToTFRecord DebugIdentity DebugIdentityV2
    DebugIdentityV3 DebugNanCount DebugNumericSummary DebugNumericSummaryV2 DecodeProtoV2
    DeleteRpcFutureResource DeleteSessionTensor DistributedSave DumpTensor EagerPyFunc
    EncodeProto ExperimentalCSVDataset ExperimentalDatasetToTFRecord ExperimentalLMDBDataset
    ExperimentalMatchingFilesDataset ExperimentalSqlDataset FileSystemSetConfiguration
    FixedLengthRecordDataset FixedLengthRecordDatasetV2 FixedLengthRecordReader
    FixedLengthRecordReaderV2 FixedUnigramCandidateSampler FlushSummaryWriter
    GenerateVocabRemapping GetSessionHandle GetSessionHandleV2 GetSessionTensor IdentityReader
    IdentityReaderV2 ImmutableConst ImportEvent InfeedDequeue InfeedDequeueTuple InfeedEnqueue
    InfeedEnqueuePrelinearizedBuffer InfeedEnqueueTuple InitializeTableFromTextFile
    InitializeTableFromTextFileV2 LMDBDataset LMDBReader ListSnapshotChunksDataset
    LoadAndRemapMatrix LoadDataset MatchingFiles MatchingFilesDataset MergeV2Checkpoints
    MlirPassthroughOp NcclAllReduce NcclBroadcast NcclReduce NegTrain OutfeedDequeue
    OutfeedDequeueTuple OutfeedDequeueTupleV2 OutfeedDequeueV2 OutfeedEnqueue
    OutfeedEnqueueTuple Print PrintV2 PyFunc PyFuncStateless ReadFile ReaderNumRecordsProduced
    ReaderNumRecordsProducedV2 ReaderNumWorkUnitsCompleted ReaderNumWorkUnitsCompletedV2
    ReaderRead ReaderReadUpTo ReaderReadUpToV2 ReaderReadV2 ReaderReset ReaderResetV2
    ReaderRestoreState ReaderRestoreStateV2 ReaderSerializeState ReaderSerializeStateV2
    RecordInput Recv RegisterDataset RegisterDatasetV2 RemoteCall Restore RestoreSlice RestoreV2
    RpcCall RpcCheckStatus RpcClient RpcGetValue RpcServer RpcServerRegister RpcServerStart Save
    SaveDataset SaveDatasetV2 SaveSlices SaveV2 Send ShutdownDistributedTPU Skipgram
    SleepDataset SleepIdentityOp SleepOp SnapshotChunkDataset SnapshotDataset
    SnapshotDatasetReader SnapshotDatasetV2 SnapshotNestedDatasetReader SqlDataset
    StatsAggregatorSetSummaryWriter SummaryWriter TFRecordDataset TFRecordDatasetV2
    TFRecordReader TFRecordReaderV2 TPUCompile TPUCompileSucceededAssert TPUExecute
    TPUExecuteAndUpdateVariables TextLineDataset TextLineReader TextLineReaderV2 WholeFileReader
    WholeFileReaderV2 WorkerHeartbeat WriteAudioSummary WriteFile WriteGraphSummary
    WriteHistogramSummary WriteImageSummary WriteRawProtoSummary WriteScalarSummary WriteSummary
    XlaCallModule XlaCustomCall XlaCustomCallV2 XlaHostCompute XlaLaunch XlaLaunchV2 XlaRecv
    XlaRecvFromHost XlaRecvTPUEmbeddingActivations XlaRecvTPUEmbeddingActivationsV2
    XlaRecvTPUEmbeddingDeduplicationData XlaRecvTPUEmbeddingDeduplicationDataV2 XlaSend
    XlaSendTPUEmbeddingGradients XlaSendTPUEmbeddingGradientsV2 XlaSendToHost
"""
_OTHER = """
    AccumulatorApplyGradient AccumulatorNumAccumulated AccumulatorSetGlobalStep
    AccumulatorTakeGradient AddManySparseToTensorsMap AddSparseToTensorsMap AllToAll
    AnonymousIterator AnonymousIteratorV2 AnonymousIteratorV3 AnonymousMemoryCache
    AnonymousMultiDeviceIterator AnonymousMultiDeviceIteratorV3 AssertCardinalityDataset
    AssertNextDataset AssertPrevDataset AssignVariableXlaConcatND AudioSummary AudioSummaryV2
    AutoShardDataset Barrier BarrierClose BarrierIncompleteSize BarrierInsertMany
    BarrierReadySize BarrierTakeMany BatchDataset BatchDatasetV2 BoostedTreesAggregateStats
    BoostedTreesBucketize BoostedTreesCalculateBestFeatureSplit
    BoostedTreesCalculateBestFeatureSplitV2 BoostedTreesCalculateBestGainsPerFeature
    BoostedTreesCenterBias BoostedTreesCreateEnsemble BoostedTreesCreateQuantileStreamResource
    BoostedTreesDeserializeEnsemble BoostedTreesEnsembleResourceHandleOp
    BoostedTreesExampleDebugOutputs BoostedTreesFlushQuantileSummaries
    BoostedTreesGetEnsembleStates BoostedTreesMakeQuantileSummaries BoostedTreesMakeStatsSummary
    BoostedTreesPredict BoostedTreesQuantileStreamResourceAddSummaries
    BoostedTreesQuantileStreamResourceDeserialize BoostedTreesQuantileStreamResourceFlush
    BoostedTreesQuantileStreamResourceGetBucketBoundaries
    BoostedTreesQuantileStreamResourceHandleOp BoostedTreesSerializeEnsemble
    BoostedTreesSparseAggregateStats BoostedTreesSparseCalculateBestFeatureSplit
    BoostedTreesTrainingPredict BoostedTreesUpdateEnsemble BoostedTreesUpdateEnsembleV2
    BytesProducedStatsDataset ChooseFastestBranchDataset ChooseFastestDataset
    CollateTPUEmbeddingMemory ComputeDedupDataSize ComputeDedupDataSizeV2
    ComputeDedupDataTupleMask ComputeDedupDataTupleMaskV2 ConcatenateDataset
    ConditionalAccumulator ConfigureTPUEmbedding ConfigureTPUEmbeddingHost
    ConfigureTPUEmbeddingMemory ConnectTPUEmbeddingHosts ConsumeMutexLock ConvertToCooTensor
    ConvertToListOfSparseCoreCooTensors ConvertToSparseCoreCsrWrappedCooTensor CopyToMesh
    CopyToMeshGrad CrossReplicaSum CustomAggregator DTensorAllGather DTensorAllReduce
    DTensorAllScatter DTensorAllToAll DTensorReduceScatter DatasetCardinality DatasetFingerprint
    DatasetFromGraph DatasetToSingleElement DebugGradientIdentity DebugGradientRefIdentity
    DeleteIterator DeleteMemoryCache DeleteMultiDeviceIterator DenseToSparseBatchDataset
    DeserializeIterator DeviceIndex DevicePlacementOp DirectedInterleaveDataset
    DtypeWithDefaultOp DummyIterationCounter DummyMemoryCache DummySeedGenerator
    DynamicEnqueueTPUEmbeddingArbitraryTensorBatch DynamicEnqueueTPUEmbeddingRaggedTensorBatch
    EnqueueTPUEmbeddingArbitraryTensorBatch EnqueueTPUEmbeddingBatch
    EnqueueTPUEmbeddingIntegerBatch EnqueueTPUEmbeddingRaggedTensorBatch
    EnqueueTPUEmbeddingSparseBatch EnqueueTPUEmbeddingSparseTensorBatch
    ExecuteTPUEmbeddingPartitioner ExperimentalAssertNextDataset ExperimentalAutoShardDataset
    ExperimentalBytesProducedStatsDataset ExperimentalChooseFastestDataset
    ExperimentalDatasetCardinality ExperimentalDenseToSparseBatchDataset
    ExperimentalDirectedInterleaveDataset ExperimentalGroupByReducerDataset
    ExperimentalGroupByWindowDataset ExperimentalIgnoreErrorsDataset
    ExperimentalIteratorGetDevice ExperimentalLatencyStatsDataset ExperimentalMapAndBatchDataset
    ExperimentalMapDataset ExperimentalMaxIntraOpParallelismDataset
    ExperimentalNonSerializableDataset ExperimentalParallelInterleaveDataset
    ExperimentalParseExampleDataset ExperimentalPrivateThreadPoolDataset
    ExperimentalRandomDataset ExperimentalRebatchDataset ExperimentalScanDataset
    ExperimentalSetStatsAggregatorDataset ExperimentalSleepDataset
    ExperimentalSlidingWindowDataset ExperimentalStatsAggregatorHandle
    ExperimentalStatsAggregatorSummary ExperimentalTakeWhileDataset
    ExperimentalThreadPoolDataset ExperimentalThreadPoolHandle ExperimentalUnbatchDataset
    ExperimentalUniqueDataset FIFOQueue FIFOQueueV2 FakeQueue FilterByLastComponentDataset
    FilterDataset FinalizeDataset FinalizeTPUEmbedding FinalizeTPUEmbeddingV2 FlatMapDataset
    GeneratorDataset GetDeadline GetMinibatchSplitsWithPhysicalReplica
    GetMinibatchesInCsrWithPhysicalReplica GetStatsFromListOfSparseCoreCooTensors GetTpuTaskId
    GlobalIterId GlobalShuffleDataset GraphDefVersion GroupByReducerDataset GroupByWindowDataset
    HistogramSummary HostConst IgnoreErrorsDataset ImageSummary IndexFlatMapDataset
    InitializeTableFromDataset InterleaveDataset IsBoostedTreesEnsembleInitialized
    IsBoostedTreesQuantileStreamResourceInitialized IsResourceHandleRefCounting
    IsTPUEmbeddingInitialized IsTensorFloat32Enabled Iterator IteratorFromStringHandle
    IteratorFromStringHandleV2 IteratorGetDevice IteratorGetModelProto IteratorGetNext
    IteratorGetNextAsOptional IteratorGetNextSync IteratorToStringHandle IteratorV2 KernelLabel
    LatencyStatsDataset LegacyParallelInterleaveDatasetV2 ListDataset
    LoadAllTPUEmbeddingParameters LoadTPUEmbeddingADAMParameters
    LoadTPUEmbeddingAdadeltaParameters LoadTPUEmbeddingAdagradMomentumParameters
    LoadTPUEmbeddingAdagradParameters LoadTPUEmbeddingCenteredRMSPropParameters
    LoadTPUEmbeddingFTRLParameters LoadTPUEmbeddingFrequencyEstimatorParameters
    LoadTPUEmbeddingMDLAdagradLightParameters LoadTPUEmbeddingMomentumParameters
    LoadTPUEmbeddingProximalAdagradParameters LoadTPUEmbeddingProximalYogiParameters
    LoadTPUEmbeddingRMSPropParameters LoadTPUEmbeddingStochasticGradientDescentParameters
    MakeIterator MakeWeakResourceHandle MapAndBatchDataset MapClear MapDataset MapIncompleteSize
    MapPeek MapSize MapStage MapUnstage MapUnstageNoKey MaxIntraOpParallelismDataset
    MergeDedupData MergeSummary ModelDataset MultiDeviceIterator
    MultiDeviceIteratorFromStringHandle MultiDeviceIteratorGetNextFromShard
    MultiDeviceIteratorInit MultiDeviceIteratorToStringHandle MutexLock MutexV2
    NonSerializableDataset OneShotIterator OptimizeDataset OptimizeDatasetV2 OptionsDataset
    OrderedMapClear OrderedMapIncompleteSize OrderedMapPeek OrderedMapSize OrderedMapStage
    OrderedMapUnstage OrderedMapUnstageNoKey PaddedBatchDataset PaddedBatchDatasetV2
    PaddingFIFOQueue PaddingFIFOQueueV2 ParallelBatchDataset ParallelFilterDataset
    ParallelInterleaveDataset ParallelInterleaveDatasetV2 ParallelInterleaveDatasetV3
    ParallelInterleaveDatasetV4 ParallelMapDataset ParallelMapDatasetV2 ParseExampleDataset
    ParseExampleDatasetV2 PrefetchDataset PriorityQueue PriorityQueueV2 PrivateThreadPoolDataset
    QueueClose QueueCloseV2 QueueDequeue QueueDequeueMany QueueDequeueManyV2 QueueDequeueUpTo
    QueueDequeueUpToV2 QueueDequeueV2 QueueEnqueue QueueEnqueueMany QueueEnqueueManyV2
    QueueEnqueueV2 QueueIsClosed QueueIsClosedV2 QueueSize QueueSizeV2 RandomDataset
    RandomDatasetV2 RandomShuffleQueue RandomShuffleQueueV2 RangeDataset ReadVariableXlaSplitND
    RebatchDataset RebatchDatasetV2 RecvTPUEmbeddingActivations ReduceDataset Relayout
    RelayoutLike RepeatDataset RequiresOlderGraphVersion ResourceAccumulatorApplyGradient
    ResourceAccumulatorNumAccumulated ResourceAccumulatorSetGlobalStep
    ResourceAccumulatorTakeGradient ResourceConditionalAccumulator ResourceCreateOp
    ResourceInitializedOp ResourceUsingOp RetrieveAllTPUEmbeddingParameters
    RetrieveTPUEmbeddingADAMParameters RetrieveTPUEmbeddingAdadeltaParameters
    RetrieveTPUEmbeddingAdagradMomentumParameters RetrieveTPUEmbeddingAdagradParameters
    RetrieveTPUEmbeddingCenteredRMSPropParameters RetrieveTPUEmbeddingFTRLParameters
    RetrieveTPUEmbeddingFrequencyEstimatorParameters
    RetrieveTPUEmbeddingMDLAdagradLightParameters RetrieveTPUEmbeddingMomentumParameters
    RetrieveTPUEmbeddingProximalAdagradParameters RetrieveTPUEmbeddingProximalYogiParameters
    RetrieveTPUEmbeddingRMSPropParameters
    RetrieveTPUEmbeddingStochasticGradientDescentParameters RewriteDataset RiscAbs RiscAdd
    RiscBinaryArithmetic RiscBinaryComparison RiscBitcast RiscBroadcast RiscCast RiscCeil
    RiscCholesky RiscConcat RiscCondition RiscConv RiscCos RiscDiv RiscDot RiscExp RiscFft
    RiscFloor RiscGather RiscImag RiscIsFinite RiscLog RiscLogicalAnd RiscLogicalNot
    RiscLogicalOr RiscMax RiscMin RiscMul RiscNeg RiscPad RiscPool RiscPow RiscRandomUniform
    RiscReal RiscReduce RiscRem RiscReshape RiscReverse RiscScatter RiscShape RiscSign RiscSlice
    RiscSort RiscSqueeze RiscSub RiscTranspose RiscTriangularSolve RiscUnary RiscWhile
    SamplingDataset ScalarSummary ScanDataset SendTPUEmbeddingGradients SerializeIterator
    SetStatsAggregatorDataset ShardDataset ShuffleAndRepeatDataset ShuffleAndRepeatDatasetV2
    ShuffleDataset ShuffleDatasetV2 ShuffleDatasetV3 ShutdownTPUSystem SkipDataset
    SlidingWindowDataset SortListOfSparseCoreCooTensors SparseAccumulatorApplyGradient
    SparseAccumulatorTakeGradient SparseConditionalAccumulator SparseTensorSliceDataset
    SplitDedupData Stage StageClear StagePeek StageSize StatsAggregatorHandle
    StatsAggregatorHandleV2 StatsAggregatorSummary StochasticCastToInt
    StoreMinibatchStatisticsInFdo StubResourceHandleOp SyncDevice
    TPUAnnotateTensorsWithDynamicShape TPUCompilationResult TPUCopyWithDynamicShape
    TPUDummyInput TPUEmbeddingActivations TPUOrdinalSelector TPUPartitionedCall
    TPUPartitionedInput TPUPartitionedInputV2 TPUPartitionedOutput TPUPartitionedOutputV2
    TPUReplicateMetadata TPUReplicatedInput TPUReplicatedOutput TPUReshardVariables
    TPURoundRobin TakeDataset TakeManySparseFromTensorsMap TakeWhileDataset TensorDataset
    TensorMapSize TensorSliceDataset TensorSummary TensorSummaryV2 ThreadPoolDataset
    ThreadPoolHandle TpuHandleToProtoKey UnbatchDataset UniqueDataset Unstage
    UnwrapDatasetVariant UpdateTaskIdAndGlobalCoreArray WeightedFlatMapDataset WindowDataset
    WrapDatasetVariant XlaAllReduce XlaBroadcastHelper XlaClusterOutput XlaDequantize XlaIf
    XlaOptimizationBarrier XlaRngBitGenerator XlaSparseActivationsUnstack XlaSparseCoreAdagrad
    XlaSparseCoreAdagradMomentum XlaSparseCoreAdam XlaSparseCoreFtrl XlaSparseCoreSgd
    XlaSparseDenseMatmul XlaSparseDenseMatmulCustomCombinerOnTcGradWithAdagradAndCsrInput
    XlaSparseDenseMatmulCustomCombinerOnTcGradWithAdagradMomentumAndCsrInput
    XlaSparseDenseMatmulCustomCombinerOnTcGradWithAdamAndCsrInput
    XlaSparseDenseMatmulCustomCombinerOnTcGradWithCsrInput
    XlaSparseDenseMatmulCustomCombinerOnTcGradWithFtrlAndCsrInput
    XlaSparseDenseMatmulCustomCombinerOnTcGradWithSgdAndCsrInput
    XlaSparseDenseMatmulCustomCombinerOnTcWithCsrInput
    XlaSparseDenseMatmulGradWithAdagradAndCsrInput
    XlaSparseDenseMatmulGradWithAdagradAndStaticBufferSize
    XlaSparseDenseMatmulGradWithAdagradMomentumAndCsrInput
    XlaSparseDenseMatmulGradWithAdagradMomentumAndStaticBufferSize
    XlaSparseDenseMatmulGradWithAdamAndCsrInput
    XlaSparseDenseMatmulGradWithAdamAndStaticBufferSize XlaSparseDenseMatmulGradWithCsrInput
    XlaSparseDenseMatmulGradWithFtrlAndCsrInput
    XlaSparseDenseMatmulGradWithFtrlAndStaticBufferSize
    XlaSparseDenseMatmulGradWithSgdAndCsrInput
    XlaSparseDenseMatmulGradWithSgdAndStaticBufferSize XlaSparseDenseMatmulWithCsrInput
    XlaSparseDenseMatmulWithStaticBufferSize XlaSparseGradientsStack XlaWhile ZipDataset
"""
#: Of TensorFlow Text: known by name, but not part of TensorFlow.
_PUBLISHED = """
    CaseFoldUTF8 ConstrainedSequence FastBertNormalize FastSentencepieceTokenize
    FastWordpieceDetokenize FastWordpieceTokenizeWithOffsets NormalizeUTF8
    NormalizeUTF8WithOffsetsMap PhraseTokenize RegexSplitWithOffsets RoundRobinGenerateMasksAndPairs
    SentenceFragments SentencepieceDetokenizeOp SentencepieceIdToStringOp SentencepieceOp
    SentencepieceStringToIdOp SentencepieceTokenizeOp SentencepieceTokenizeWithOffsetsOp
    SentencepieceVocabSizeOp UnicodeScriptTokenizeWithOffsets WhitespaceTokenizeWithOffsets
    WhitespaceTokenizeWithOffsetsV2 WordpieceTokenizeWithOffsets
"""
HOST = frozenset(_HOST.split())
_DOUBTED = frozenset(_OTHER.split()) | frozenset(_PUBLISHED.split())
#: The standard way to read labels and vocabularies.
FROM_FILE = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
#: What a saver is made of. They are among `HOST`, and let through where they are a saver's.
SAVER = frozenset({"MergeV2Checkpoints", "RestoreV2", "SaveV2"})


@dataclass(frozen=True)
class Verdict:
    effect: Effect
    #: Said of the operator: "found X, which ...".
    reason: str


def verdict(operator: str) -> Verdict | None:
    """What is against an operator; none for those that compute and do nothing else."""
    if operator in COMPUTING:
        return None
    if operator in HOST:
        return Verdict(Effect.FAIL, "reaches files, networks, processes or a screen")
    if operator in _DOUBTED or operator.startswith(("_Fused", "_Mkl")):
        return Verdict(Effect.UNKNOWN, "is not on the list of those that compute")
    return Verdict(Effect.FAIL, "is none of TensorFlow's, hence of a foreign library")
