/** What the command line asks, checked before anything is built. */
import { join } from 'node:path'
import { projectRoot } from '../config/load.ts'
import { Failure } from '../failure.ts'
import { type CaseInfo, findCases } from '../run/cases.ts'
import { selectCases } from '../run/select.ts'
import { type Symptom, stageOf, symptoms } from './question.ts'

/** @throws Failure('usage') */
export function symptomOf(name: string): Symptom {
  if ((symptoms as readonly string[]).includes(name)) return name as Symptom
  throw new Failure('usage', `--symptom ${name}: expected one of: ${symptoms.join(', ')}`)
}

/** The case that shows the symptom; null where none has to run. @throws Failure('usage') */
export async function caseOf(symptom: Symptom, name: string | undefined): Promise<CaseInfo | null> {
  if (stageOf(symptom) !== 'case') {
    if (name === undefined) return null
    throw new Failure('usage', `--case ${name}: no case is run for --symptom ${symptom}`, {
      remedy: 'leave --case out',
    })
  }
  if (name === undefined) {
    throw new Failure('usage', `--symptom ${symptom} needs --case: which case shows it?`, {
      remedy: "name one, such as --case nvme/003; 'copylab list' has them all",
    })
  }
  const cases = selectCases(await findCases(join(projectRoot, 'tests')), [name])
  const [info] = cases
  if (info && cases.length === 1) return info
  throw new Failure('usage', `--case ${name}: expected one case, not a group of ${cases.length}`)
}
