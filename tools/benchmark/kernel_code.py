"""What Triton's compiler makes of the project's kernels, for GPUs that need not be here.

Compiles them for the paper's volume and counts: registers, spilled bytes and shared memory; of soft-argmax,
instructions a logit (of the loop, where there is one) and reads and writes of 16 bytes in a step of two vectors a
thread; of linear soft-argmax, whether the matrix units are used. Triton brings ptxas and cuobjdump.
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

from mmpose_integral.ops import linear_soft_argmax_kernels as linear
from mmpose_integral.ops import soft_argmax_kernels as kernels
from mmpose_integral.ops.linear_soft_argmax_triton import BLOCKS
from mmpose_integral.ops.soft_argmax_triton import ROWS, WARPS

VECTORS = {'float32': ('*fp32', 4), 'bfloat16': ('*bf16', 8), 'bfloat16, not aligned': ('*bf16', 1)}
VARIANTS = {'forward': (kernels.moments_kernel, dict(STD=False)),
            'forward with std': (kernels.moments_kernel, dict(STD=True)),
            'backward': (kernels.gradient_kernel, dict(P0=2, P1=1, P2=0))}
LINEAR = {'bfloat16': ('*bf16', dict(OPERAND=tl.bfloat16, PRECISION='ieee')),
          'float32 as TF32': ('*fp32', dict(OPERAND=tl.float32, PRECISION='tf32')),
          'float32': ('*fp32', dict(OPERAND=tl.float32, PRECISION='ieee'))}
INPUTS = ('logits', 'features', 'weight', 'bias', 'grad')  # in the arguments' type; statistics are float32
MULTIPLES = ('stride_n', 'stride_c', 'grad_n', 'grad_c', 'channels', 'num_rows', 'num_pixels')  # of 16, at its sizes
STATISTICS = ('parts', 'lse', 'mean', 'std', 'grad_mean', 'steps', 'terms', 'grad_weight', 'grad_bias')


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kernels', choices=('soft_argmax', 'linear_soft_argmax'), nargs='+', default=['soft_argmax'])
    parser.add_argument('--capability', type=int, nargs='+', default=[80, 90], help='80: A100, 90: H100 and H200')
    parser.add_argument('--volume', type=int, nargs=3, default=[72, 96, 72], metavar=('D', 'H', 'W'))
    parser.add_argument('--json', action='store_true', help='print JSON')
    return parser.parse_args(args)


def compile_kernel(kernel, pointer, constants, capability, multiples=(), **options):
    """Compile as a launch would: pointers are aligned, strides of 1 and multiples of 16 are known.

    Returns:
        triton.compiler.CompiledKernel: with ``asm`` and ``metadata``.
    """
    pointers = dict.fromkeys(INPUTS, pointer) | dict.fromkeys(STATISTICS, '*fp32')
    names = kernel.arg_names
    signature = {name: 'constexpr' if name in constants else pointers.get(name, 'i32') for name in names}
    aligned = {(i,): [['tt.divisibility', 16]] for i, name in enumerate(names)
               if signature[name].startswith('*') or name in multiples}
    source = ASTSource(fn=kernel, signature=signature, attrs=aligned,
                       constexprs={name: constants[name] for name in names if name in constants})
    return compile(source, target=GPUTarget('cuda', capability, 32), options=options)


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


def resources(compiled):
    """Registers and spilled bytes of a thread, shared memory of a program."""
    usage = dict(re.findall(r'(REG|STACK|LOCAL):(\d+)', cuobjdump(compiled.asm['cubin'], '-res-usage')))
    return dict(registers=int(usage['REG']), spilled_bytes=int(usage['STACK']) + int(usage['LOCAL']),
                shared_kb=round(compiled.metadata.shared / 1024, 1))


def soft_argmax_rows(capability, volume):
    """Rows of the volume's kernels."""
    rows = []
    sizes = dict(zip(('N0', 'N1', 'N2'), volume, strict=True))
    for logits, (pointer, vector) in VECTORS.items():
        for name, (kernel, more) in VARIANTS.items():
            constants = dict(more, **sizes, V=vector, ROWS=ROWS, DTYPE=tl.float32, s2=1)
            compiled = compile_kernel(kernel, pointer, constants, capability, num_warps=WARPS)
            body = instructions(compiled.asm['cubin'])
            rows.append(dict(capability=capability, type=logits, kernel=name, **resources(compiled),
                             instructions_a_logit=round(len(body) / (vector * ROWS // (32 * WARPS)), 1),
                             wide_reads=sum('LDG.E.128' in text for text in body),
                             wide_writes=sum('STG.E.128' in text for text in body)))
    joined = compile_kernel(kernels.combine_kernel, '*fp32', dict(P0=2, P1=1, P2=0, PARTS=8), capability, num_warps=1)
    return [*rows, dict(dict.fromkeys(rows[0]), capability=capability, type='float32', kernel='parts joined',
                        **resources(joined))]


def linear_rows(capability):
    """Rows of the kernels without a volume."""
    rows = []
    for features, (pointer, types) in LINEAR.items():
        moments, gradients = BLOCKS[2 if features == 'bfloat16' else 4]
        for kernel, blocks in ((linear.moments_kernel, moments), (linear.features_kernel, gradients),
                               (linear.weights_kernel, gradients)):
            constants = dict(blocks, **types, DTYPE=tl.float32, stride_p=1, grad_p=1)
            options = {name: constants.pop(name) for name in ('num_warps', 'num_stages')}
            compiled = compile_kernel(kernel, pointer, constants, capability, MULTIPLES, **options)
            units = [name for name in ('wgmma', 'mma.sync') if name in compiled.asm['ptx']]
            rows.append(dict(capability=capability, type=features, kernel=kernel.fn.__name__, **resources(compiled),
                             matrix_units=' '.join(units) or None))
    joined = compile_kernel(linear.join_kernel, '*fp32', dict(ENTRIES=512), capability, num_warps=4)
    return [*rows, dict(capability=capability, type='float32', kernel='join_kernel', **resources(joined),
                        matrix_units=None)]


def print_table(rows):
    """Rows as Markdown."""
    print('| ' + ' | '.join(name.replace('_', ' ') for name in rows[0]) + ' |')
    print('| ---: | --- | --- |' + ' ---: |' * (len(rows[0]) - 3))
    for row in rows:
        print('| ' + ' | '.join('-' if value is None else str(value) for value in row.values()) + ' |')
    print()


def main(args=None):
    """Run the tool."""
    args = parse_args(args)
    tables = [[row for capability in args.capability for row in (
        soft_argmax_rows(capability, args.volume) if name == 'soft_argmax' else linear_rows(capability))]
        for name in args.kernels]
    if args.json:
        print(json.dumps(sum(tables, [])))
        return
    for rows in tables:
        print_table(rows)


if __name__ == '__main__':
    main()
