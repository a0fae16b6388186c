"""What TensorFlow's graphs are made of: TensorFlow 2.21, as `protobuf_wire` reads it.

Sources: saved_model.proto, meta_graph.proto, graph.proto, node_def.proto, function.proto,
saved_object_graph.proto and what these include in https://github.com/tensorflow/tensorflow
(tensorflow/core/protobuf, tensorflow/core/framework). Entries of maps are messages of a key and a
value. What says nothing of what a graph does is `bytes` here, so that it is skipped.
"""

from __future__ import annotations

from registry.formats.protobuf_wire import schema

SCHEMA = schema("""
SavedModel
  1 saved_model_schema_version int
  2 meta_graphs* MetaGraphDef
MetaGraphDef
  1 meta_info_def MetaInfoDef
  2 graph_def GraphDef
  3 saver_def SaverDef
  4 collection_def* CollectionEntry
  5 signature_def* SignatureEntry
  6 asset_file_def* AssetFileDef
  7 object_graph_def SavedObjectGraph
MetaInfoDef
  1 meta_graph_version bytes
  2 stripped_op_list bytes
  3 any_info bytes
  4 tags* text
  5 tensorflow_version text
  6 tensorflow_git_version bytes
  7 stripped_default_attrs int
  8 function_aliases* bytes
GraphDef
  1 node* NodeDef
  4 versions bytes
  3 version int
  2 library FunctionDefLibrary
  5 debug_info bytes
NodeDef
  1 name text
  2 op text
  3 input* text
  4 device bytes
  5 attr* AttrEntry
  6 experimental_debug_info bytes
  7 experimental_type bytes
AttrEntry
  1 key bytes
  2 value AttrValue
AttrValue
  2 s bytes value
  3 i int value
  4 f f32 value
  5 b int value
  6 type int value
  7 shape TensorShapeProto value
  8 tensor TensorProto value
  1 list ListValue value
  10 func NameAttrList value
  9 placeholder text value
ListValue
  2 s* bytes
  3 i* int
  4 f* f32
  5 b* int
  6 type* int
  7 shape* TensorShapeProto
  8 tensor* TensorProto
  9 func* NameAttrList
NameAttrList
  1 name text
  2 attr* AttrEntry
TensorProto
  1 dtype int
  2 tensor_shape TensorShapeProto
  3 version_number int
  4 tensor_content bytes
  13 half_val* int
  5 float_val* f32
  6 double_val* f64
  7 int_val* int
  8 string_val* bytes
  9 scomplex_val* f32
  10 int64_val* int
  11 bool_val* int
  12 dcomplex_val* f64
  14 resource_handle_val* bytes
  15 variant_val* bytes
  16 uint32_val* int
  17 uint64_val* int
  18 float8_val bytes
TensorShapeProto
  2 dim* Dim
  3 unknown_rank int
Dim
  1 size int
  2 name bytes
FunctionDefLibrary
  1 function* FunctionDef
  2 gradient* GradientDef
  3 registered_gradients* RegisteredGradient
FunctionDef
  1 signature OpDef
  5 attr* bytes
  7 arg_attr* bytes
  8 resource_arg_unique_id* bytes
  3 node_def* NodeDef
  4 ret* bytes
  6 control_ret* bytes
OpDef
  1 name text
  2 input_arg* ArgDef
  3 output_arg* bytes
  20 control_output* bytes
  4 attr* bytes
  8 deprecation bytes
  5 summary bytes
  6 description bytes
  18 is_commutative int
  16 is_aggregate int
  17 is_stateful int
  19 allows_uninitialized_input int
  21 is_distributed_communication int
ArgDef
  1 name text
  2 description bytes
  3 type int
  4 type_attr bytes
  5 number_attr bytes
  6 type_list_attr bytes
  7 handle_data* bytes
  16 is_ref int
  17 experimental_full_type bytes
SaverDef
  1 filename_tensor_name text
  2 save_tensor_name text
  3 restore_op_name text
  4 max_to_keep int
  5 sharded int
  6 keep_checkpoint_every_n_hours f32
  7 version int
CollectionEntry
  1 key text
  2 value CollectionDef
CollectionDef
  1 node_list NodeList kind
  2 bytes_list bytes kind
  3 int64_list bytes kind
  4 float_list bytes kind
  5 any_list bytes kind
NodeList
  1 value* text
SignatureEntry
  1 key text
  2 value SignatureDef
SignatureDef
  1 inputs* InfoEntry
  2 outputs* InfoEntry
  3 method_name bytes
  4 defaults* bytes
InfoEntry
  1 key text
  2 value TensorInfo
TensorInfo
  1 name text encoding
  4 coo_sparse CooSparse encoding
  5 composite_tensor CompositeTensor encoding
  2 dtype int
  3 tensor_shape TensorShapeProto
AssetFileDef
  1 tensor_info TensorInfo
  2 filename text
SavedObjectGraph
  1 nodes* SavedObject
  2 concrete_functions* ConcreteEntry
SavedObject
  1 children* bytes
  15 dependencies* bytes
  3 slot_variables* bytes
  4 user_object SavedUserObject kind
  5 asset bytes kind
  6 function bytes kind
  7 variable bytes kind
  8 bare_concrete_function bytes kind
  9 constant bytes kind
  10 resource bytes kind
  12 captured_tensor bytes kind
  11 saveable_objects* bytes
  13 registered_name bytes
  14 serialized_user_proto bytes
  16 registered_saver bytes
SavedMetadata
  1 nodes* KerasObject
KerasObject
  2 node_id int
  3 node_path bytes
  4 identifier bytes
  5 metadata bytes
  6 version bytes
SavedUserObject
  1 identifier bytes
  2 version bytes
  3 metadata bytes
ConcreteEntry
  1 key text
  2 value bytes
CooSparse
  1 values_tensor_name text
  2 indices_tensor_name text
  3 dense_shape_tensor_name text
CompositeTensor
  1 type_spec bytes
  2 components* TensorInfo
GradientDef
  1 function_name bytes
  2 gradient_func text
RegisteredGradient
  1 gradient_func text
  2 registered_op_type bytes
FingerprintDef
  1 saved_model_checksum int
  2 graph_def_program_hash int
  3 signature_def_hash int
  4 saved_object_graph_hash int
  5 checkpoint_hash int
  6 version VersionDef
  7 uuid bytes
VersionDef
  1 producer int
  2 min_consumer int
  3 bad_consumers* int
""")
