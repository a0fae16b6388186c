"""config.pbtxt as message and places: what is wrong with a text, and where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2

from registry.serving.pbtxt import (
    CONFIG_BYTES_MAX,
    DEPTH_MAX,
    PbtxtError,
    empty,
    nearest,
    parse,
)
from registry.serving.points import NOWHERE, Position

SOUND = b"""# Of the team that trains it.
name: "scorer"
backend: "onnxruntime"
max_batch_size: 8
input [
  { name: "tokens" data_type: TYPE_INT64 dims: [ -1 ] },
  {
    name: "ma" 'sk'
    data_type: TYPE_INT64; dims: -1, dims: 4
  }
]
output < name: "scores", data_type: TYPE_FP32, dims: [2] >
parameters { key: "execution_mode" value { string_value: "1" } }
parameters: { value: { string_value: "4" }, key: "intra_op_thread_count" }
"""


def test_each_field_has_its_place() -> None:
    config = parse(SOUND)
    assert config.message.input[1].name == "mask"
    assert config.at("name") == Position(2, 1)
    assert config.at("input") == Position(5, 1)
    assert config.at("input[0]") == Position(6, 3)
    assert config.at("input[0].dims[0]") == Position(6, 50)
    assert config.at("input[1].dims[0]") == Position(9, 28)
    assert config.at("input[1].dims[1]") == Position(9, 38)
    assert config.at("output[0].data_type") == Position(12, 26)
    assert config.at('parameters["execution_mode"].string_value') == Position(13, 44)
    assert config.at('parameters["intra_op_thread_count"]') == Position(14, 1)
    assert config.at('parameters["intra_op_thread_count"].string_value') == Position(14, 24)


def test_what_is_not_written_down_is_where_it_would_be() -> None:
    config = parse(SOUND)
    assert config.at("input[0].reshape.shape[3]") == config.at("input[0]")
    assert config.at('parameters["other"].string_value') == config.at("parameters")
    assert config.at("dynamic_batching") == NOWHERE
    assert empty("scorer").at("name") == NOWHERE


def test_comments_may_be_in_any_encoding() -> None:
    """As for Triton."""
    assert parse(b"# caf\xe9\n" + SOUND).message == parse(SOUND).message


@pytest.mark.parametrize(
    ("text", "position", "found", "expected", "fix"),
    [
        (
            'name: "a"\nmax_batch_sizes: 4',
            (2, 1),
            "no field 'max_batch_sizes' in ModelConfig",
            "'max_batch_size'",
            "Write 'max_batch_size'.",
        ),
        ("input { Dims: 4 }", (1, 9), "no field 'Dims' in ModelInput", "'dims'", ""),
        ("input { qqq: 4 }", (1, 9), "no field 'qqq' in ModelInput", "one of name, data_", ""),
        (
            "input {\n  data_type: FP32 }",
            (2, 14),
            "DataType 'FP32'",
            "one of TYPE_INVALID, TYPE_BOOL,",
            "Write TYPE_FP32, without quotes.",
        ),
        ('input { data_type: "TYPE_FP32" }', (1, 20), "DataType", "one of", "TYPE_FP32, without"),
        ("instance_group { kind: KIND_GUP }", (1, 24), "Kind 'KIND_GUP'", "one of", "KIND_GPU"),
        ('name: "a"\nname: "b"', (2, 7), "a second 'name'", "it once", "Keep one"),
        (
            "dynamic_batching { }\nsequence_batching { }",
            (2, 1),
            "'sequence_batching' beside 'dynamic_batching'",
            "one of them",
            "",
        ),
        ("input {\n dims: 1\n", (1, 7), "the '{' of line 1 still open", "'}'", "Close each"),
        ("input [ { dims: 1 ", (1, 9), "the '{' of line 1 still open", "'}'", ""),
        ("input", (1, 6), "the end of the file", "'{'", ""),
        ("input { dims: 1 }}", (1, 18), "'}'", "the name of a field", "Remove it"),
        ("max_batch_size 4", (1, 16), "'4'", "':'", ""),
        ("max_batch_size:", (1, 16), "the end of the file", "a whole number", ""),
        ('max_batch_size: "4"', (1, 17), "'\"4\"'", "a whole number", "without quotes"),
        ("max_batch_size: 9999999999", (1, 17), "'9999999999'", "a number that the field", ""),
        ("name: scorer", (1, 7), "'scorer'", "a text in quotes", "Put it in quotes"),
        ('name: "scorer', (1, 7), "scorer", "the quote that ends it", ""),
        ('platform: "\\377"', (1, 17), "bytes that are no UTF-8", "text in UTF-8", ""),
        ("response_cache { enable: yes }", (1, 26), "'yes'", "true or false", ""),
        ("[a.b]: 4", (1, 4), "an extension in brackets", "the name of a field", "Remove it"),
    ],
)
def test_an_error_tells_place_and_mending(
    text: str, position: tuple[int, int], found: str, expected: str, fix: str
) -> None:
    """Each error of the parser says where it is, what was found and what was expected."""
    with pytest.raises(PbtxtError) as caught:
        parse(text.encode())
    error = caught.value
    assert found in error.found
    assert expected in error.expected
    assert fix in error.fix
    assert error.position == Position(*position)


def test_blanks_between_a_sign_and_its_number_are_taken() -> None:
    """As by Triton, and nothing else is changed by them."""
    config = parse(b'name: "a - 1" # - 1\ninput { dims: [ -  1, - \t2, 3 ] }')
    assert config.message.name == "a - 1"
    assert list(config.message.input[0].dims) == [-1, -2, 3]
    assert config.at("input[0].dims[0]") == Position(2, 19)
    assert config.at("input[0].dims[2]") == Position(2, 29)
    with pytest.raises(PbtxtError, match="'-', expected a whole number"):
        parse(b"input { dims: [ -\n1 ] }")


def test_words_of_the_file_are_not_taken_for_the_parser_s() -> None:
    line = 'name: "a" \'Message type "no.such" has no field named "x".\' dims'
    with pytest.raises(PbtxtError) as caught:
        parse(line.encode())
    assert caught.value.found == "no field 'dims' in ModelConfig"
    with pytest.raises(PbtxtError) as caught:
        parse(line.replace("dims", "max_batch_size 'Enum type \"no.such\"'").encode())
    assert caught.value.expected == "':'"


@pytest.mark.parametrize(
    ("data", "found", "position"),
    [
        (b'name: "a"\nplatform: "x\xff"', "byte 0xff, which is no UTF-8", Position(2, 11)),
        (b'\xef\xbb\xbfname: "a"', "a byte order mark", Position(1, 1)),
        (b"# a\n\0", "a NUL character", Position(2, 1)),
        (b"#" * (CONFIG_BYTES_MAX + 1), "1,048,577 bytes", NOWHERE),
        (b"input{" * (DEPTH_MAX + 1), f"{DEPTH_MAX + 1} deep", Position(1, 6 * DEPTH_MAX + 6)),
        (b"instance_group { kind: 99999999999 }", "a value that its field cannot hold", NOWHERE),
    ],
    ids=["encoding", "mark", "nul", "size", "depth", "enum"],
)
def test_what_no_parser_is_given_is_refused(data: bytes, found: str, position: Position) -> None:
    with pytest.raises(PbtxtError) as caught:
        parse(data)
    assert found in caught.value.found
    assert caught.value.position == position


@given(st.binary(max_size=200) | st.text(alphabet='name:{}<>[]",;#1 \n', max_size=80))
def test_any_bytes_are_a_configuration_or_an_error(data: bytes | str) -> None:
    """Nothing but PbtxtError is ever raised, and it always says what was found."""
    outcome: object
    try:
        outcome = parse(data if isinstance(data, bytes) else data.encode()).message.IsInitialized()
    except PbtxtError as error:
        outcome = error.found
    assert outcome


@pytest.mark.parametrize(
    ("name", "near"),
    [("Tokens", "tokens"), ("token", "tokens"), ("scores", ""), ("maks", "mask")],
)
def test_the_nearest_name(name: str, near: str) -> None:
    assert nearest(name, ("tokens", "mask")) == near


# A printer of its own that keeps where it wrote each field, in all styles that there are.

_TEXTS = st.text(alphabet="aZ_0 \"'\\#{é漢\n", max_size=6)
_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: _TEXTS,
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_FLOAT: st.floats(width=32, allow_nan=False, allow_infinity=False),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
}


@dataclass
class Printer:
    """Writes a random message, and tells where it wrote what."""

    draw: st.DrawFn
    parts: list[str] = field(default_factory=list)
    line: int = 1
    column: int = 1
    expected: dict[str, Position] = field(default_factory=dict)

    def write(self, text: str) -> None:
        self.parts.append(text)
        self.line += text.count("\n")
        behind = text.rpartition("\n")
        self.column = len(behind[2]) + (1 if behind[1] else self.column)

    def pick(self, *styles: str) -> None:
        self.write(self.draw(st.sampled_from(styles)))

    def space(self) -> None:
        self.pick(" ", "\n", " \t", " # é { ' [\n ", "\r\n")

    def here(self) -> Position:
        return Position(self.line, self.column)

    def message(self, descriptor: Descriptor, prefix: str, depth: int) -> None:
        if not descriptor.fields:
            # As of `all: {}`.
            return
        asked = self.draw(
            st.lists(
                st.sampled_from(list(descriptor.fields)),
                max_size=4,
                unique_by=lambda each: each.name,
            )
        )
        chosen: set[str] = set()
        for each in asked:
            oneof = each.containing_oneof.name if each.containing_oneof else each.name
            if (each.message_type is not None and not depth) or oneof in chosen:
                continue
            chosen.add(oneof)
            self.one(each, f"{prefix}{each.name}", depth)

    def one(self, each: FieldDescriptor, way: str, depth: int) -> None:
        if not each.is_repeated:
            self.expected[way] = self.here()
            self.named(each, way, depth)
            return
        index = 0
        for _ in range(self.draw(st.integers(1, 2))):
            at = self.here()
            self.expected.setdefault(way, at)
            if self.draw(st.booleans()):
                self.element(each, way, index, depth, at)
                index += 1
            else:
                index = self.bracketed(each, way, index, depth)

    def named(self, each: FieldDescriptor, way: str, depth: int) -> None:
        self.write(each.name)
        self.pick(*((" ", ": ", ":") if each.message_type else (":", " : ", ":\n")))
        self.value(each, way, depth)
        self.end()

    def end(self) -> None:
        self.pick(" ", ",", ";", "\n", "; ")
        self.space()

    def element(
        self, each: FieldDescriptor, way: str, index: int, depth: int, at: Position
    ) -> None:
        if self.is_map(each):
            self.write(each.name)
            self.pick(" ", ":")
            self.entry(each, way, depth, at)
            self.end()
        else:
            self.expected[f"{way}[{index}]"] = at
            self.named(each, f"{way}[{index}]", depth)

    def bracketed(self, each: FieldDescriptor, way: str, index: int, depth: int) -> int:
        self.write(each.name)
        self.pick(*((" [", ": [") if each.message_type else (":[", ": [ ")))
        count = self.draw(st.integers(0, 3))
        for position in range(count):
            self.space()
            at = self.here()
            if self.is_map(each):
                self.entry(each, way, depth, at)
            else:
                self.expected[f"{way}[{index}]"] = at
                self.value(each, f"{way}[{index}]", depth)
            index += 1
            if position < count - 1:
                self.pick(",", " ,")
        self.pick("]", " ]")
        self.end()
        return index

    @staticmethod
    def is_map(each: FieldDescriptor) -> bool:
        return each.message_type is not None and each.message_type.GetOptions().map_entry

    def entry(self, each: FieldDescriptor, way: str, depth: int, at: Position) -> None:
        """Key and value, in either order."""
        assert each.message_type is not None
        parts = dict(each.message_type.fields_by_name)
        numeric = parts["key"].type != FieldDescriptor.TYPE_STRING
        # Another each time, so that no entry takes the place of one before.
        key = str(1000 + len(self.parts)) if numeric else f"k{len(self.parts)}"
        entry = f'{way}["{key}"]'
        self.expected[entry] = at
        begin, end = self.draw(st.sampled_from([("{", "}"), ("<", ">")]))
        self.write(begin)
        self.space()
        for name in self.draw(st.permutations(["key", "value"])):
            self.write(name)
            self.pick(":")
            if name == "value":
                self.value(parts["value"], entry, depth)
            else:
                self.write(key if numeric else f'"{key}"')
            self.end()
        self.write(end)

    def value(self, each: FieldDescriptor, way: str, depth: int) -> None:
        if each.message_type is not None:
            begin, end = self.draw(st.sampled_from([("{", "}"), ("<", ">")]))
            self.write(begin)
            self.space()
            self.message(each.message_type, f"{way}.", depth - 1)
            self.write(end)
        elif each.enum_type is not None:
            self.write(self.draw(st.sampled_from([value.name for value in each.enum_type.values])))
        elif each.type == FieldDescriptor.TYPE_STRING:
            self.write(self.text())
        else:
            drawn = self.draw(_SCALARS[each.type])
            self.write(str(drawn).lower() if isinstance(drawn, bool) else str(drawn))

    def text(self) -> str:
        """In pieces, in either quotes."""
        pieces = self.draw(st.lists(_TEXTS, min_size=1, max_size=3))
        quote = self.draw(st.sampled_from("\"'"))
        escaped = (
            piece.replace("\\", "\\\\").replace(quote, f"\\{quote}").replace("\n", "\\n")
            for piece in pieces
        )
        return self.draw(st.sampled_from([" ", "\n"])).join(
            f"{quote}{piece}{quote}" for piece in escaped
        )


@st.composite
def written(draw: st.DrawFn) -> tuple[str, dict[str, Position]]:
    printer = Printer(draw)
    printer.space()
    printer.message(model_config_pb2.ModelConfig.DESCRIPTOR, "", 4)
    return "".join(printer.parts), printer.expected


@given(written())
def test_places_are_where_they_were_written(case: tuple[str, dict[str, Position]]) -> None:
    """In every style that the format has, each field is where its writer put it."""
    text, expected = case
    config = parse(text.encode())
    assert config.positions == expected
    assert config.message == text_format.Parse(text, model_config_pb2.ModelConfig())


@given(
    written(),
    st.fixed_dictionaries(
        {},
        optional={
            "as_one_line": st.just(True),
            "use_short_repeated_primitives": st.just(True),
            "pointy_brackets": st.just(True),
            "use_index_order": st.just(True),
            "as_utf8": st.booleans(),
            "indent": st.integers(0, 4),
        },
    ),
)
def test_places_point_at_names_in_all_styles_of_protobuf(
    case: tuple[str, dict[str, Position]], style: dict[str, Any]
) -> None:
    """Printed by protobuf itself, each place is where its field's name stands."""
    message = parse(case[0].encode()).message
    text = text_format.MessageToString(message, **style)
    config = parse(text.encode())
    assert config.message == message
    lines = text.split("\n")
    for way, position in config.positions.items():
        last = way.rpartition(".")[2].partition("[")[0] if not way.endswith('"]') else ""
        rest = lines[position.line - 1][position.column - 1 :]
        if last and not (way.endswith("]") and style.get("use_short_repeated_primitives")):
            assert rest.startswith(last)
