"""Times of instructions, added up by part, pass and kind."""

from mtl_depth.benchmarks import profile

TEXT = """HloModule jit_step

%fused.1 (p: f32[4]) -> f32[4] {
  %p = f32[4]{0} parameter(0)
  ROOT %t = f32[4]{0} copy(%p), metadata={op_name="jit(step)/transpose(jvp(Network))/Network.motion/pose/encoder/bn1"}
}

ENTRY %main (a: f32[4]) -> f32[4] {
  %a = f32[4]{0} parameter(0)
  %ynn_fusion.7 = f32[4]{0} fusion(%a), metadata={op_name="jit(step)/jvp(Network)/encoder/conv1/conv_general_dilated"}
  %ynn_fusion.8 = f32[4]{0} fusion(%a), metadata={op_name="jit(step)/jvp(Network)/encoder/bn1/reduce_sum"}
  %transpose_copy_fusion.1 = f32[4]{0} fusion(%a), kind=kLoop, calls=%fused.1
  ROOT %add.1 = f32[4]{0} add(%a, %a), metadata={op_name="jit(step)/add"}
}
"""


def test_instructions_are_added_up():
    times = {"ynn_fusion.7": 5.0, "ynn_fusion.8": 1.0, "transpose_copy_fusion.1": 2.0, "add.1": 0.5, "Execute": 100.0}
    rows = [tuple(row.values()) for row in profile.table(TEXT, times)]
    assert rows == [
        ("encoder", "forward", 6.0, 0, 5.0),
        ("pose network", "backward", 2.0, 2.0, 0),
        ("optimiser and the rest", "forward", 0.5, 0, 0),
    ]
