/** Failures that are known to be no fault of the series: bugs of a tree or of QEMU, each with its reason and a link. */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { z } from 'zod'
import { parseYaml } from '../config/yaml.ts'
import type { CaseOutcome, CellFacts } from './outcome.ts'

const text = z.string().min(1)

const knownFailure = z.strictObject({
  cases: z
    .array(text.regex(/^[\w-]+\/\w+$/, { error: 'expected the id of a case, such as nvme/003' }))
    .min(1),
  /** Part of the one line that says why the case failed; another failure of the case is none that is known. */
  message: text,
  /** What is wrong, and where. */
  reason: text,
  link: z.url(),
  /** How the version of the tree begins, such as `6.12.117-`; left out: any. */
  tree: text.optional(),
  /** How QEMU's version begins; left out: any. */
  qemu: text.optional(),
  /** A kconfig fragment, or several, one of which the kernel must have been built with, such as `debug`; left out: none. */
  kconfig: z.union([text, z.array(text).min(1)]).optional(),
})

export type KnownFailure = z.infer<typeof knownFailure>

/** @throws Failure('usage') with file, line and what was expected */
export async function readKnownFailures(file: string): Promise<KnownFailure[]> {
  return parseYaml(file, await readFile(file, 'utf8'), z.array(knownFailure)).value
}

/** The outcome as it is, or, when the case failed as it is known to in this cell, with the verdict `known failure`. */
export function withKnown(
  known: readonly KnownFailure[],
  { cell, treeVersion, machine }: CellFacts,
  outcome: CaseOutcome,
): CaseOutcome {
  if (outcome.verdict !== 'fail' && outcome.verdict !== 'infra') return outcome
  // The error that ended the case: a complaint of the kernel's that came on top of another failure does not explain that.
  const why = outcome.details?.split('\n')[0] ?? outcome.reason ?? ''
  const match = known.find(
    ({ cases, message, tree = '', qemu = '', kconfig }) =>
      cases.includes(outcome.id) &&
      why.includes(message) &&
      treeVersion.startsWith(tree) &&
      machine.qemuVersion.startsWith(qemu) &&
      (kconfig === undefined ||
        cell.kconfig.some((path) => [kconfig].flat().includes(basename(path, '.config')))),
  )
  if (!match) return outcome
  const { reason, link } = match
  return { ...outcome, verdict: 'known failure', known: { reason: reason.trim(), link } }
}
