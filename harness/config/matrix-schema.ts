/** `matrix:` of copylab.yaml. Its words and its rules are those of GitHub's `strategy.matrix`. */
import { z } from 'zod'

/** What cells differ in; the last one varies first. */
export const axes = ['tree', 'series', 'kconfig', 'qemu'] as const

export type Axis = (typeof axes)[number]

export const seriesSchema = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)], {
  error: 'expected a directory, a mailbox, REPOSITORY:A..B, a list of these, or none',
})

const listed = (key: string) =>
  z.string({
    error: ({ input }) =>
      `expected a name under ${key}:${typeof input === 'number' ? ', in quotes: YAML takes 6.10 for the number 6.1' : ''}`,
  })

/** What a machine has beside its emulator and its processors. */
export const machineValues = {
  /** `auto`: kvm where guest code is proved to run under it, else tcg. */
  accel: z.enum(['auto', 'kvm', 'tcg']),
  /** Memory of the guest in MiB. */
  memory: z.int().min(128).max(65536),
}

/** One value of each axis. Whether what they name is there is checked where the rest of the file is known. */
const values = {
  tree: listed('trees'),
  series: seriesSchema,
  kconfig: listed('kconfigs'),
  qemu: listed('qemus'),
}

/** What only `include` sets; see the options of the same names. */
const extras = {
  ...machineValues,
  /** Only so many patches of the series. */
  patches: z.int().min(0).max(99_999),
  profile: z.string().min(1),
}

/** A map with some of these keys, at least one, and no others. */
function some<S extends z.ZodRawShape>(shape: S) {
  const error = `expected some of ${Object.keys(shape).join(', ')}`
  const optional = z.strictObject(shape, { error }).partial()
  return optional.refine((map) => Object.keys(map).length > 0, error)
}

const axisValues = <S extends z.ZodType>(value: S) =>
  z.array(value, { error: 'expected a list' }).min(1, 'expected at least one value').optional()

export const matrixSchema = z
  .strictObject(
    {
      tree: axisValues(values.tree),
      series: axisValues(values.series),
      kconfig: axisValues(values.kconfig),
      qemu: axisValues(values.qemu),
      /** Takes away every combination that has all of these values. */
      exclude: z.array(some(values), { error: 'expected a list' }).default([]),
      /**
       * Adds its values to every combination of the axes whose own values it does not change, over what another
       * `include` has added; where there is none, it is a cell of its own.
       */
      include: z.array(some({ ...values, ...extras }), { error: 'expected a list' }).default([]),
    },
    { error: `expected the axes ${axes.join(', ')}, and exclude and include` },
  )
  .refine(
    (matrix) => matrix.include.length > 0 || axes.some((axis) => matrix[axis]),
    `expected at least one of ${axes.join(', ')} and include`,
  )

export type MatrixFile = z.infer<typeof matrixSchema>
