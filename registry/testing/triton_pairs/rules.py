"""Which of our rules has to name the cause, of each pair that is refused or fails in use."""

from __future__ import annotations

from collections.abc import Mapping

_PAIRS: Mapping[str, str] = {
    "CONFIG-1": (
        "policy_two_choices syntax_unclosed syntax_trailing syntax_no_quotes "
        "syntax_byte_order_mark syntax_utf16 syntax_json field_unknown "
        "field_unknown_below field_twice field_list_for_one field_text_for_number "
        "field_number_for_text field_fraction field_out_of_range enum_unknown "
        "enum_lower_case enum_in_quotes choice_of_two_schedulers dynamic_delay_negative "
        "sequence_two_strategies ensemble_model_config_broken ensemble_with_batching"
    ),
    "CONFIG-2": "name_other",
    "CONFIG-3": (
        "layout_named_file_alone platform_unknown platform_of_another_backend "
        "backend_unknown backend_upper_case runtime_unknown ensemble_with_backend "
        "ensemble_without_schedule ensemble_without_platform"
    ),
    "CONFIG-4": "layout_other_file layout_named_file_missing",
    "CONFIG-5": "cc_file_name",
    "CONFIG-6": (
        "layout_without_version layout_version_v1 layout_version_01 "
        "layout_version_is_a_file layout_version_negative layout_empty_version "
        "policy_latest_none policy_specific_missing policy_specific_none"
    ),
    "CONFIG-7": "batch_negative dims_batch_is_fixed dims_batch_is_fixed_completed",
    "CONFIG-8": (
        "input_without_name type_left_out type_bf16_without_config dims_left_out "
        "dims_zero dims_minus_two"
    ),
    "CONFIG-9": "reshape_of_another_size reshape_to_nothing_unbatched reshape_two_free",
    "CONFIG-10": (
        "input_other_name output_other_name input_missing input_too_many input_twice "
        "output_completed_input_wrong sequence_controls_too_few "
        "state_left_out"
    ),
    "CONFIG-11": "type_other type_string_for_number type_output_other",
    "CONFIG-12": (
        "dims_output_narrower dims_input_wider dims_output_wider dims_other "
        "dims_output_other dims_with_the_batch dims_without_the_batch dims_rank "
        "scalar_with_two scalar_batched rank_not_said_free reshape_does_not_fit "
        "graph_shape_said_wrongly"
    ),
    "CONFIG-13": "format_without_three_axes shape_tensor non_linear_format",
    "CONFIG-14": (
        "optional_batched optional_is_required optional_named_as_required ragged_with_two_axes"
    ),
    "CONFIG-15": "labels_missing",
    "CONFIG-16": "batch_input_of_nothing batch_input_type batch_output_of_nothing",
    "CONFIG-17": "dynamic_preferred_too_large dynamic_preferred_zero",
    "CONFIG-18": (
        "dynamic_no_default_priority dynamic_policy_of_no_priority "
        "dynamic_order_and_priorities dynamic_order_and_delay"
    ),
    "CONFIG-19": (
        "sequence_control_missing sequence_control_shape sequence_control_type "
        "sequence_id_type sequence_id_of_floats sequence_two_meanings "
        "sequence_no_meaning sequence_one_value sequence_control_twice "
        "sequence_control_without_name"
    ),
    "CONFIG-20": "sequence_preferred_too_large sequence_slots",
    "CONFIG-21": (
        "state_other_input state_other_output state_other_type state_other_shape "
        "state_without_name state_twice"
    ),
    "CONFIG-22": (
        "instances_gpu instances_gpu_chosen instances_cpu_with_gpus "
        "instances_model_with_gpus instances_profile"
    ),
    "CONFIG-23": (
        "warmup_file_missing warmup_file_too_short warmup_other_input warmup_other_shape "
        "warmup_with_the_batch warmup_other_type warmup_free_axis warmup_no_data "
        "warmup_no_input warmup_batch_too_large"
    ),
    "CONFIG-24": "accelerator_unknown",
    "CONFIG-25": "parameter_mode parameter_threads parameter_arena",
    "CONFIG-26": "sequence_and_cache cache_and_decoupled",
    "CONFIG-28": "field_of_a_newer_release field_of_a_newer_server",
    "CONFIG-29": "operators_missing agent_unknown",
    "CONFIG-30": "type_bf16 type_sequence type_sequence_without_config",
    "ENSEMBLE-1": "ensemble_of_nothing ensemble_with_instances",
    "ENSEMBLE-2": "ensemble_model_missing ensemble_model_version",
    "ENSEMBLE-3": (
        "ensemble_input_unused ensemble_output_not_made ensemble_step_unfed "
        "ensemble_output_unused ensemble_made_twice ensemble_ring "
        "ensemble_without_outputs ensemble_without_inputs"
    ),
    "ENSEMBLE-4": "ensemble_input_unknown ensemble_output_unknown ensemble_input_not_mapped",
    "ENSEMBLE-5": "ensemble_type ensemble_input_type ensemble_output_type ensemble_shape",
    "ENSEMBLE-6": "ensemble_batch_larger",
    "ENSEMBLE-7": "ensemble_circle",
    "GRAPH-1": (
        "policy_all_one_broken ensemble_model_broken graph_nonsense "
        "graph_nonsense_completed graph_cut_short graph_lfs_pointer"
    ),
    "GRAPH-2": (
        "graph_empty graph_input_from_nowhere graph_output_from_nowhere graph_name_twice graph_ring"
    ),
    "GRAPH-3": "graph_type_of_no_operator graph_shapes_differ",
    "GRAPH-4": (
        "graph_external_missing graph_external_cut_short graph_external_too_short "
        "graph_external_outside"
    ),
    "GRAPH-6": "graph_ir_too_new",
    "GRAPH-7": "graph_opset_too_new",
    "GRAPH-8": "graph_operator_of_others graph_operator_unknown graph_operator_too_new",
    "GRAPH-9": "graph_types_differ graph_type_without_kernel",
    "REPO-1": "layout_empty_version_without_config layout_other_file_without_config",
}
#: By the name of the pair.
RULES: Mapping[str, str] = {name: rule for rule, names in _PAIRS.items() for name in names.split()}
