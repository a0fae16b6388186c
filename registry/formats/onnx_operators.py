"""Operators of ONNX that compute and do nothing else, by domain.

Sources: the schemas of ONNX 1.23, all their versions; those of ONNX Runtime 1.31 under
`com.microsoft*` (docs/ContribOperators.md), without the ones that hand an opaque engine or a call
to someone else; operators of ONNX before 1.0 that ONNX Runtime still knows.
"""

from __future__ import annotations

from collections.abc import Mapping

_STANDARD = """
    Abs Acos Acosh Add Affine AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention
    AveragePool BatchNormalization Bernoulli BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr
    BitwiseXor BlackmanWindow Cast CastLike CausalConvWithState Ceil Celu
    CenterCropPad Clip Col2Im Compress Concat ConcatFromSequence Constant ConstantFill
    ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh Crop CumProd CumSum DFT DeformConv
    DepthToSpace DequantizeLinear Det Div Dropout DynamicQuantizeLinear DynamicSlice Einsum Elu
    Equal Erf Exp Expand EyeLike Flatten Floor GRU GRUUnit Gather GatherElements GatherND
    Gelu Gemm GivenTensorFill GlobalAveragePool GlobalLpPool GlobalMaxPool Greater
    GreaterOrEqual GridSample GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish
    Hardmax Identity If ImageDecoder ImageScaler InstanceNormalization IsInf IsNaN LRN LSTM
    LayerNormalization LeakyRelu Less LessOrEqual LinearAttention Log LogSoftmax
    Loop LpNormalization LpPool MatMul MatMulInteger Max MaxPool MaxRoiPool MaxUnpool Mean
    MeanVarianceNormalization MelWeightMatrix MemcpyFromHost MemcpyToHost Min Mish Mod Mul
    Multinomial Neg NegativeLogLikelihoodLoss NonMaxSuppression NonZero Not OneHot Optional
    OptionalGetElement OptionalHasElement Or PRelu Pad ParametricSoftplus Pow QLinearConv
    QLinearMatMul QuantizeLinear RMSNormalization RNN RandomNormal RandomNormalLike
    RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
    RegexFullMatch Relu Reshape Resize ReverseSequence RoiAlign RotaryEmbedding Round STFT Scale
    ScaledTanh Scan Scatter ScatterElements ScatterND Selu SequenceAt SequenceConstruct
    SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap Shape Shrink Sigmoid
    Sign SimplifiedLayerNormalization Sin Sinh Size Slice Softmax SoftmaxCrossEntropyLoss
    Softplus Softsign SpaceToDepth Split SplitToSequence Sqrt Squeeze StringConcat
    StringNormalizer StringSplit Sub Sum SwiGLU Swish Tan Tanh TensorScatter TfIdfVectorizer
    ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Upsample Where Xor
"""
_ML = """
    ArrayFeatureExtractor Binarizer CastMap CategoryMapper DictVectorizer FeatureVectorizer
    Imputer LabelEncoder LinearClassifier LinearRegressor Normalizer OneHotEncoder SVMClassifier
    SVMRegressor Scaler TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor ZipMap
"""
_PREVIEW = "FlexAttention"
_TRAINING = "Adagrad Adam Gradient Momentum"
_MICROSOFT = """
    Attention AttnLSTM BeamSearch BiasAdd BiasDropout BiasGelu BiasSoftmax BiasSplitGelu
    BifurcationDetector BitmaskBiasDropout BitmaskDropout BranchwiseRMSNorm CDist
    CausalConvWithState ComplexMul ComplexMulConj ConvTransposeWithDynamicPads CropAndResize
    DecoderAttention DecoderMaskedMultiHeadAttention DecoderMaskedSelfAttention DequantizeBFP
    DequantizeLinear DequantizeWithOrder DynamicQuantizeLSTM DynamicQuantizeMatMul
    DynamicSparseAttention DynamicTimeWarping EmbedLayerNormalization EngramGate ExpandDims
    FastGelu FusedConv FusedGemm FusedMatMul FusedMatMulActivation GatedAdd GatedDeltaNet
    GatedRMSNorm GatedRelativePositionBias GatherBlockQuantized GatherND Gelu GemmFastGelu
    GemmFloat8 GemmaRotaryEmbedding GreedySearch GridSample GroupNorm GroupQueryAttention
    HyperConnectionPostMix HyperConnectionPreMix Inverse Irfft IsAllFinite LinearAttention
    LinearAttentionGate LongformerAttention MRotaryEmbedding MatMulBlockQuantizedFp4Weight
    MatMulBlockQuantizedFp8Weight MatMulBnb4 MatMulFpQ4 MatMulInteger16 MatMulIntegerToFloat
    MatMulNBits MatMulNBitsMlp MatMulNBitsQkv MaxpoolWithMask MoE MulInteger MultiHeadAttention
    MurmurHash3 NGramHashMapping NGramRepeatBlock NhwcConv NhwcFusedConv NhwcMaxPool
    PackedAttention PackedMultiHeadAttention PackedSparseAttentionIndexer Pad PagedAttention
    QAttention QEmbedLayerNormalization QGemm QLinearAdd QLinearAveragePool QLinearConcat
    QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearReduceMean
    QLinearSigmoid QLinearSoftmax QLinearWhere QMoE QOrderedAttention QOrderedGelu
    QOrderedLayerNormalization QOrderedLongformerAttention QOrderedMatMul QuantizeBFP
    QuantizeLinear QuantizeWithOrder QuickGelu Range ReduceSumInteger RelativePositionBias
    RemovePadding RestorePadding Rfft RotaryEmbedding SampleOp Sampling ScaledSiLU SkipGroupNorm
    SkipLayerNormalization SkipSimplifiedLayerNormalization SparseAttention
    SparseAttentionIndexer SparsePagedAttention SparseToDenseMatMul Tokenizer TorchEmbedding
    TransposeMatMul Trilu UnfoldTensor Unique VarlenCausalConvWithState VarlenNGramHashMapping
    WhisperBeamSearch WordConvEmbedding
"""
_NCHWC = (
    "AveragePool Conv GlobalAveragePool GlobalMaxPool MaxPool ReorderInput ReorderOutput Upsample"
)
_NHWC = """
    AveragePool BatchNormalization Conv ConvTranspose DepthToSpace GlobalAveragePool
    GlobalLpPool GlobalMaxPool GridSample InstanceNormalization LRN LpPool MaxPool MaxUnpool
    QLinearAveragePool QLinearConv QLinearConvTranspose Resize SpaceToDepth
"""

#: By domain; "" is the standard's own, also called ai.onnx.
COMPUTING: Mapping[str, frozenset[str]] = {
    domain: frozenset(names.split())
    for domain, names in {
        "": _STANDARD,
        "ai.onnx.ml": _ML,
        "ai.onnx.preview": _PREVIEW,
        "ai.onnx.preview.training": _TRAINING,
        "ai.onnx.training": "Gradient GraphCall",
        "com.microsoft": _MICROSOFT,
        "com.microsoft.nchwc": _NCHWC,
        "com.ms.internal.nhwc": _NHWC,
    }.items()
}
#: They load an engine or a model of another runtime, from inside the file or from a path, or call
#: what the process has loaded: in effect a foreign operator under a known name.
HANDING_OVER = frozenset(
    {
        "EPContext",
        "Snpe",
        "TRTEngine",
        "PythonOp",
        "PythonOpGrad",
        "ATen",
        "ATenOp",
        "ExternalOp",
        "PyOp",
        "OpenVINO",
    }
)

#: TensorRT's own, which its exporters put under the standard's domain.
PLUGINS = frozenset(
    {
        "BatchedNMSDynamic_TRT",
        "BatchedNMS_TRT",
        "DisentangledAttention_TRT",
        "EfficientNMS_TRT",
        "MultilevelCropAndResize_TRT",
        "PyramidROIAlign_TRT",
        "ROIAlign_TRT",
    }
)
#: The newest operator sets that the lists above know. Other domains get new operators without a new
#: number.
NEWEST: Mapping[str, int] = {"": 28, "ai.onnx.ml": 5}


def standard_domain(domain: str) -> str:
    """The name under which its operators are listed."""
    return "" if domain == "ai.onnx" else domain


def is_standard(domain: str) -> bool:
    """Whether a runtime brings the operators of this domain along."""
    if domain == "com.microsoft.extensions":
        # Of a library of its own, onnxruntime-extensions.
        return False
    return standard_domain(domain) in COMPUTING or domain.startswith("com.microsoft.")
