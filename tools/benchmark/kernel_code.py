"""What Triton's compiler makes of the soft-argmax kernels, for GPUs that need not be here.

Compiles them for the paper's volume and counts: instructions a logit (of the loop, where there is one), registers and
spilled bytes a thread, reads and writes of 16 bytes in a thread's step of two vectors. Triton brings ptxas and
cuobjdump.
"""
import argparse
import json
import os
import re
import subprocess
import tempfile

os.environ.pop('TRITON_INTERPRET', None)  # else the kernels are Python functions

import triton.language as tl
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from mmpose_integral.ops import soft_argmax_kernels as kernels
from mmpose_integral.ops.soft_argmax_triton import ROWS, WARPS

VECTORS = {'float32': ('*fp32', 4), 'bfloat16': ('*bf16', 8), 'bfloat16, not aligned': ('*bf16', 1)}
VARIANTS = {'forward': (kernels.moments_kernel, dict(STD=False)),
            'forward with std': (kernels.moments_kernel, dict(STD=True)),
            'backward': (kernels.gradient_kernel, dict(P0=2, P1=1, P2=0))}


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--capability', type=int, nargs='+', default=[80, 90], help='80: A100, 90: H100 and H200')
    parser.add_argument('--volume', type=int, nargs=3, default=[72, 96, 72], metavar=('D', 'H', 'W'))
    parser.add_argument('--json', action='store_true', help='print JSON')
    return parser.parse_args(args)


def compile_kernel(kernel, logits, constants, capability):
    """Compile as a launch would: pointers are aligned, a stride of 1 is known.

    Returns:
        triton.compiler.CompiledKernel: with ``asm['cubin']``.
    """
    pointers = dict.fromkeys(('parts', 'lse', 'mean', 'grad_mean', 'steps'), '*fp32') | dict(logits=logits, grad=logits)
    names = kernel.arg_names
    signature = {name: 'constexpr' if name in constants else pointers.get(name, 'i32') for name in names}
    aligned = {(i,): [['tt.divisibility', 16]] for i, name in enumerate(names) if name in pointers}
    source = ASTSource(fn=kernel, signature=signature, attrs=aligned,
                       constexprs={name: constants[name] for name in names if name in constants})
    return compile(source, target=GPUTarget('cuda', capability, 32), options=dict(num_warps=WARPS))


def cuobjdump(cubin, option):
    """Its text about a compiled kernel."""
    with tempfile.NamedTemporaryFile(suffix='.cubin') as file:
        file.write(cubin)
        file.flush()
        return subprocess.run([knobs.nvidia.cuobjdump.path, option, file.name], capture_output=True, text=True,
                              check=True).stdout


def instructions(cubin):
    """Instructions of the longest loop, or of the whole kernel if it has none.

    Returns:
        list[str]: their names with operands.
    """
    lines = [(int(address, 16), text) for address, text in
             re.findall(r'/\*([0-9a-f]{4,5})\*/\s+(.*?);', cuobjdump(cubin, '-sass'))]
    loops = []
    for end, text in lines:
        target = re.search(r'\bBRA (?:\S+, )?0x([0-9a-f]+)', text)
        if target and int(target[1], 16) < end:  # an endless jump to itself follows each kernel
            loops.append([line for address, line in lines if int(target[1], 16) <= address <= end])
    return max(loops, key=len, default=[text for _, text in lines if not text.startswith('NOP')])


def describe(cubin, logits_a_step):
    """Numbers of a compiled kernel; see the module."""
    usage = dict(re.findall(r'(REG|LOCAL):(\d+)', cuobjdump(cubin, '-res-usage')))
    body = instructions(cubin)
    return dict(instructions_a_logit=round(len(body) / logits_a_step, 1), registers=int(usage['REG']),
                spilled_bytes=int(usage['LOCAL']), wide_reads=sum('LDG.E.128' in text for text in body),
                wide_writes=sum('STG.E.128' in text for text in body))


def main(args=None):
    """Run the tool."""
    args = parse_args(args)
    rows = []
    for capability in args.capability:
        for logits, (pointer, vector) in VECTORS.items():
            for name, (kernel, more) in VARIANTS.items():
                constants = dict(more, **dict(zip(('N0', 'N1', 'N2'), args.volume, strict=True)), V=vector, ROWS=ROWS,
                                 DTYPE=tl.float32, s2=1)
                compiled = compile_kernel(kernel, pointer, constants, capability)
                rows.append(dict(capability=capability, logits=logits, kernel=name,
                                 **describe(compiled.asm['cubin'], vector * ROWS // (32 * WARPS))))
    if args.json:
        print(json.dumps(rows))
        return
    print('| ' + ' | '.join(name.replace('_', ' ') for name in rows[0]) + ' |')
    print('| ---: | --- | --- |' + ' ---: |' * (len(rows[0]) - 3))
    for row in rows:
        print('| ' + ' | '.join(map(str, row.values())) + ' |')


if __name__ == '__main__':
    main()
