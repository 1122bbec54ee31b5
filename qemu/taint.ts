/** Documentation/admin-guide/tainted-kernels.rst, by bit. */
const reasons = [
  'proprietary module',
  'forced module',
  'out-of-specification system',
  'forced module unload',
  'machine check',
  'bad page',
  'by user space',
  'oops or BUG',
  'ACPI table overridden',
  'warning',
  'staging driver',
  'firmware bug workaround',
  'out-of-tree module',
  'unsigned module',
  'soft lockup',
  'live patch',
  'auxiliary',
  'randomised structures',
  'test',
]

/** The kernel's taint bits in words. */
export function describeTaint(taint: number): string {
  const names = reasons.filter((_, bit) => taint & (1 << bit))
  return names.join(', ') || `0x${taint.toString(16)}`
}
