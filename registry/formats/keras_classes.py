"""Classes of Keras that a configuration may name: those that compute and call nothing further.

Source: what Keras 3.15 exports (`keras_export`), without base classes, wrappers of functions,
Lambda, TorchModuleWrapper, TFSMLayer, FlaxLayer and JaxLayer, which load or run code.
"""

from __future__ import annotations

_NAMES = {
    "keras.constraints": ("MaxNorm MinMaxNorm NonNeg UnitNorm"),
    "keras.dtype_policies": (
        "AWQDTypePolicy DTypePolicy DTypePolicyMap FloatDTypePolicy GPTQDTypePolicy "
        "Int4DTypePolicy QuantizedDTypePolicy QuantizedFloat8DTypePolicy"
    ),
    "keras.initializers": (
        "Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer "
        "LecunNormal LecunUniform Ones Orthogonal OrthogonalInitializer RandomNormal "
        "RandomUniform STFT STFTInitializer TruncatedNormal VarianceScaling Zeros"
    ),
    "keras.layers": (
        "Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D "
        "AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D "
        "AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout Attention AugMix "
        "AutoContrast Average AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D "
        "AvgPool2D AvgPool3D BatchNormalization Bidirectional CategoryEncoding CenterCrop "
        "Concatenate ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose "
        "Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D "
        "Convolution1D Convolution1DTranspose Convolution2D Convolution2DTranspose "
        "Convolution3D Convolution3DTranspose Cropping1D Cropping2D Cropping3D CutMix Dense "
        "DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding "
        "Equalization Flatten GRU GRUCell GaussianDropout GaussianNoise "
        "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D "
        "GlobalAvgPool2D GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D "
        "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization "
        "GroupQueryAttention HashedCrossing Hashing Identity Input InputLayer IntegerLookup "
        "LSTM LSTMCell LayerNormalization LeakyReLU Masking MaxNumBoundingBoxes MaxPool1D "
        "MaxPool2D MaxPool3D MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram "
        "Minimum MixUp MultiHeadAttention Multiply Normalization PReLU Permute Pipeline "
        "RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration "
        "RandomColorJitter RandomContrast RandomCrop RandomElasticTransform RandomErasing "
        "RandomFlip RandomGaussianBlur RandomGrayscale RandomHue RandomInvert "
        "RandomPerspective RandomPosterization RandomRotation RandomSaturation "
        "RandomSharpness RandomShear RandomTranslation RandomZoom ReLU RepeatVector Rescaling "
        "Reshape Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D SeparableConv2D "
        "SeparableConvolution1D SeparableConvolution2D SimpleRNN SimpleRNNCell Softmax "
        "Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D "
        "SpectralNormalization StackedRNNCells StringLookup Subtract TextVectorization "
        "TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D "
        "ZeroPadding1D ZeroPadding2D ZeroPadding3D"
    ),
    "keras.losses": (
        "BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy "
        "CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge "
        "Circle CosineSimilarity Dice Hinge Huber KLDivergence LogCosh MeanAbsoluteError "
        "MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson "
        "SparseCategoricalCrossentropy SquaredHinge Tversky"
    ),
    "keras.metrics": (
        "AUC Accuracy BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy "
        "CategoricalCrossentropy CategoricalHinge ConcordanceCorrelation CosineSimilarity "
        "F1Score FBetaScore FalseNegatives FalsePositives Hinge IoU KLDivergence LogCoshError "
        "Mean MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanSquaredError "
        "MeanSquaredLogarithmicError OneHotIoU OneHotMeanIoU PearsonCorrelation Poisson "
        "Precision PrecisionAtRecall R2Score Recall RecallAtPrecision RootMeanSquaredError "
        "SensitivityAtSpecificity SparseCategoricalAccuracy SparseCategoricalCrossentropy "
        "SparseTopKCategoricalAccuracy SpecificityAtSensitivity SquaredHinge Sum "
        "TopKCategoricalAccuracy TrueNegatives TruePositives"
    ),
    "keras.optimizers": (
        "Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer Muon "
        "Nadam RMSprop SGD ScheduleFreeAdamW"
    ),
    "keras.optimizers.schedules": (
        "CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay "
        "PiecewiseConstantDecay PolynomialDecay"
    ),
    # Of TensorFlow's Keras 2.
    "keras.optimizers.experimental": (
        "Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Nadam RMSprop SGD"
    ),
    "keras.optimizers.legacy": "Adadelta Adagrad Adam Adamax Ftrl Nadam RMSprop SGD",
    "keras.quantizers": (
        "AbsMaxQuantizer Float8QuantizationConfig Int4QuantizationConfig Int8QuantizationConfig"
    ),
    "keras.regularizers": ("L1 L1L2 L2 OrthogonalRegularizer"),
}
#: A model by each module that a release of Keras names for it.
_MODELS = {
    "Functional": (
        "keras.src.models.functional keras.src.engine.functional keras.engine.functional "
        "keras.models keras"
    ),
    "Sequential": (
        "keras.src.models.sequential keras.src.engine.sequential keras.engine.sequential "
        "keras.models keras"
    ),
}
#: Values that JSON has no form for; the name stands in place of a class, without a module.
MARKERS = frozenset(
    ("__tuple__", "__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__")
)
#: (module, class).
CLASSES = frozenset(
    {(module, name) for module, names in _NAMES.items() for name in names.split()}
    | {(module, name) for name, modules in _MODELS.items() for module in modules.split()}
    | {("keras", "DTypePolicy"), ("keras", "FloatDTypePolicy")}
)
#: Classes of legacy configurations, which name no module. What Keras 2 called `Model`, too, and its
#: own optimizers, which it registered as one does custom ones.
LEGACY = frozenset(
    {name for _, name in CLASSES}
    | {"Model", "TensorShape"}
    | {f"Custom>{name}" for module, name in CLASSES if module == "keras.optimizers"}
)
#: Functions of TensorFlow as layers of Keras 2, by any name that TensorFlow exports.
LEGACY_OPERATIONS = frozenset(("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"))
#: A metric of Keras 2 that is a function, and the functions that Keras has for that.
LEGACY_METRIC = "MeanMetricWrapper"
_METRIC_FUNCTIONS = (
    "accuracy binary_accuracy binary_crossentropy categorical_accuracy categorical_crossentropy "
    "categorical_hinge cosine_similarity hinge kl_divergence log_cosh mean_absolute_error "
    "mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error poisson "
    "sparse_categorical_accuracy sparse_categorical_crossentropy "
    "sparse_top_k_categorical_accuracy squared_hinge top_k_categorical_accuracy"
)
LEGACY_METRIC_FUNCTIONS = frozenset(_METRIC_FUNCTIONS.split())
