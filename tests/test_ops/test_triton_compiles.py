"""The kernels are compiled for GPUs that need not be here: Triton brings the whole compiler along."""
import json
import os
import subprocess
import sys

import pytest

pytest.importorskip('triton.backends.nvidia', reason='Triton is not installed; it comes with torch for CUDA on Linux')

# Argument names to types as a launch would find them: pointers are aligned, a stride of 1 is known when compiling.
COMPILE = '''
import json, re
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from mmpose_integral.ops import soft_argmax_kernels as kernels
from mmpose_integral.ops.soft_argmax_triton import ROWS, WARPS

def ptx(kernel, logits, vector, capability, **constants):
    constants.update(N0=72, N1=96, N2=72, V=vector, ROWS=ROWS, DTYPE=tl.float32, s2=1)
    pointers = dict.fromkeys(('parts', 'lse', 'mean', 'grad_mean', 'steps'), '*fp32') | dict(logits=logits, grad=logits)
    names = kernel.arg_names
    signature = {name: 'constexpr' if name in constants else pointers.get(name, 'i32') for name in names}
    aligned = {(i,): [['tt.divisibility', 16]] for i, name in enumerate(names) if name in pointers}
    source = ASTSource(fn=kernel, signature=signature, attrs=aligned,
                       constexprs={name: constants[name] for name in names if name in constants})
    return compile(source, target=GPUTarget('cuda', capability, 32), options=dict(num_warps=WARPS)).asm['ptx']

found = []
for capability in (80, 90):
    for logits, vector in (('*bf16', 8), ('*fp32', 4), ('*fp16', 1)):
        for kernel, more in ((kernels.moments_kernel, dict(STD=True)), (kernels.gradient_kernel, dict(P0=2, P1=1, P2=0))):
            text = ptx(kernel, logits, vector, capability, **more)
            # what a thread reads at once: v4 words of 32 bits
            wide = [len(re.findall(name + r'[\\w.:]*\\.v4\\.b32', text)) for name in ('ld.global', 'st.global')]
            found.append([logits, kernel.__name__, *wide])
print(json.dumps(found))
'''


def test_logits_are_read_and_written_16_bytes_at_a_time():
    """Two vectors a thread; where neighbours are not side by side, none, but it compiles."""
    environment = {name: value for name, value in os.environ.items() if name != 'TRITON_INTERPRET'}
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', COMPILE], capture_output=True, text=True, check=False,
                          env=environment)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])
    assert len(rows) == 12
    for logits, kernel, reads, writes in rows:
        wide = 0 if logits == '*fp16' else 2
        assert (reads, writes) == (wide, wide if kernel == 'gradient_kernel' else 0)
