"""What ONNX files are made of, as `protobuf_wire` reads it: ONNX 1.23, IR version 14.

Sources: onnx/onnx.proto and onnx/onnx-data.proto in https://github.com/onnx/onnx. Texts that nobody
looks at are `bytes` here, so that they are skipped. Fields that were reserved or came later are
unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from registry.formats.protobuf_wire import schema

#: The newest that is known here; those before are read alike.
IR_VERSION_MAX = 14

SCHEMA = schema("""
ModelProto
  1 ir_version int
  2 producer_name text
  3 producer_version text
  4 domain bytes
  5 model_version int
  6 doc_string bytes
  7 graph GraphProto
  8 opset_import* OperatorSetIdProto
  14 metadata_props* Opaque
  20 training_info* TrainingInfoProto
  25 functions* FunctionProto
  26 configuration* DeviceConfigurationProto
OperatorSetIdProto
  1 domain text
  2 version int
Opaque
  1 key bytes
  2 value bytes
StringStringEntryProto
  1 key text
  2 value text
TrainingInfoProto
  1 initialization GraphProto
  2 algorithm GraphProto
  3 initialization_binding* Opaque
  4 update_binding* Opaque
DeviceConfigurationProto
  1 name bytes
  2 num_devices int
  3 device* bytes
GraphProto
  1 node* NodeProto
  2 name bytes
  5 initializer* TensorProto
  10 doc_string bytes
  11 input* ValueInfoProto
  12 output* ValueInfoProto
  13 value_info* ValueInfoProto
  14 quantization_annotation* TensorAnnotation
  15 sparse_initializer* SparseTensorProto
  16 metadata_props* Opaque
TensorAnnotation
  1 tensor_name bytes
  2 quant_parameter_tensor_names* Opaque
FunctionProto
  1 name text
  4 input* bytes
  5 output* bytes
  6 attribute* bytes
  7 node* NodeProto
  8 doc_string bytes
  9 opset_import* OperatorSetIdProto
  10 domain text
  11 attribute_proto* AttributeProto
  12 value_info* ValueInfoProto
  13 overload text
  14 metadata_props* Opaque
NodeProto
  1 input* bytes
  2 output* bytes
  3 name bytes
  4 op_type text
  5 attribute* AttributeProto
  6 doc_string bytes
  7 domain text
  8 overload text
  9 metadata_props* Opaque
  10 device_configurations* NodeDeviceConfigurationProto
NodeDeviceConfigurationProto
  1 configuration_id bytes
  2 sharding_spec* ShardingSpecProto
  3 pipeline_stage int
ShardingSpecProto
  1 tensor_name bytes
  2 device* int
  3 index_to_device_group_map* IntIntListEntryProto
  4 sharded_dim* ShardedDimProto
IntIntListEntryProto
  1 key int
  2 value* int
ShardedDimProto
  1 axis int
  2 simple_sharding* SimpleShardedDimProto
SimpleShardedDimProto
  1 dim_value int dim
  2 dim_param bytes dim
  3 num_shards int
AttributeProto
  1 name bytes
  2 f f32
  3 i int
  4 s bytes
  5 t TensorProto
  6 g GraphProto
  7 floats* f32
  8 ints* int
  9 strings* bytes
  10 tensors* TensorProto
  11 graphs* GraphProto
  13 doc_string bytes
  14 tp TypeProto
  15 type_protos* TypeProto
  20 type int
  21 ref_attr_name bytes
  22 sparse_tensor SparseTensorProto
  23 sparse_tensors* SparseTensorProto
ValueInfoProto
  1 name text
  2 type TypeProto
  3 doc_string bytes
  4 metadata_props* Opaque
TypeProto
  1 tensor_type TypeProto.Tensor value
  4 sequence_type TypeProto.Sequence value
  5 map_type TypeProto.Map value
  6 denotation bytes
  7 opaque_type TypeProto.Opaque value
  8 sparse_tensor_type TypeProto.SparseTensor value
  9 optional_type TypeProto.Optional value
TypeProto.Tensor
  1 elem_type int
  2 shape TensorShapeProto
TypeProto.SparseTensor
  1 elem_type int
  2 shape TensorShapeProto
TypeProto.Sequence
  1 elem_type TypeProto
TypeProto.Optional
  1 elem_type TypeProto
TypeProto.Map
  1 key_type int
  2 value_type TypeProto
TypeProto.Opaque
  1 domain bytes
  2 name bytes
TensorShapeProto
  1 dim* Dimension
Dimension
  1 dim_value int value
  2 dim_param text value
  3 denotation bytes
SparseTensorProto
  1 values TensorProto
  2 indices TensorProto
  3 dims* int
TensorProto
  1 dims* int
  2 data_type int
  3 segment Segment
  4 float_data* f32
  5 int32_data* int
  6 string_data* bytes
  7 int64_data* int
  8 name text
  9 raw_data bytes
  10 double_data* f64
  11 uint64_data* int
  12 doc_string bytes
  13 external_data* StringStringEntryProto
  14 data_location int
  16 metadata_props* Opaque
Segment
  1 begin int
  2 end int
SequenceProto
  1 name text
  2 elem_type int
  3 tensor_values* TensorProto
  4 sparse_tensor_values* SparseTensorProto
  5 sequence_values* SequenceProto
  6 map_values* MapProto
  7 optional_values* OptionalProto
MapProto
  1 name text
  2 key_type int
  3 keys* int
  4 string_keys* bytes
  5 values SequenceProto
OptionalProto
  1 name text
  2 elem_type int
  3 tensor_value TensorProto
  4 sparse_tensor_value SparseTensorProto
  5 sequence_value SequenceProto
  6 map_value MapProto
  7 optional_value OptionalProto
""")


@dataclass(frozen=True)
class DataType:
    """One of TensorProto.DataType."""

    name: str
    #: Of one element in `raw_data` and external files; 0 for texts, which cannot be there.
    bits: int
    #: The other field that its elements may be in.
    field: str
    #: Elements in one value of that field; complex ones take two values.
    elements: int = 1
    values: int = 1


def _types() -> Mapping[int, DataType]:
    found = {}
    for number, line in enumerate(_TYPES.split("\n"), start=1):
        name, bits = line.split()
        found[number] = DataType(
            name,
            bits=int(bits),
            field=_FIELDS.get(name, "int32_data"),
            elements={"4": 2, "2": 4}.get(bits, 1),
            values=2 if name.startswith("COMPLEX") else 1,
        )
    return found


#: From 1 on: the name, and the bits of one element.
_TYPES = """\
FLOAT 32
UINT8 8
INT8 8
UINT16 16
INT16 16
INT32 32
INT64 64
STRING 0
BOOL 8
FLOAT16 16
DOUBLE 64
UINT32 32
UINT64 64
COMPLEX64 64
COMPLEX128 128
BFLOAT16 16
FLOAT8E4M3FN 8
FLOAT8E4M3FNUZ 8
FLOAT8E5M2 8
FLOAT8E5M2FNUZ 8
UINT4 4
INT4 4
FLOAT4E2M1 4
FLOAT8E8M0 8
UINT2 2
INT2 2
FLOAT6E2M3 6
FLOAT6E3M2 6"""
_FIELDS = {
    "FLOAT": "float_data",
    "COMPLEX64": "float_data",
    "DOUBLE": "double_data",
    "COMPLEX128": "double_data",
    "INT64": "int64_data",
    "UINT32": "uint64_data",
    "UINT64": "uint64_data",
    "STRING": "string_data",
}
DATA_TYPES = _types()
#: `TensorProto.DataLocation`.
EXTERNAL = 1
DATA_FIELDS = tuple(sorted({*_FIELDS.values(), "int32_data", "raw_data"}))
