import { join } from 'node:path'
import { projectRoot } from '../config/load.ts'
import { closingLine, exitStatus } from '../run/outcome.ts'
import { runUnitTests } from '../run/unit.ts'
import { type CommandContext, makePlan, type RunOptions, runPlan } from './run.ts'

/** `copylab test`: the harness' own unit tests, then the kernel cases. One closing line counts both. */
export async function test(options: RunOptions, context: CommandContext): Promise<number> {
  const plan = await makePlan([], options, context)
  const units = await runUnitTests(projectRoot, join(projectRoot, 'tests/unit'), context.signal)
  if (context.signal.aborted) return 130
  const cases = await runPlan(plan, { names: [], options, cwd: context.cwd }, context)
  const sum = {
    ...cases,
    passed: units.passed + cases.passed,
    failed: units.failed + cases.failed,
    skipped: units.skipped + cases.skipped,
  }
  process.stdout.write(`${closingLine(sum)}\n`)
  if (context.signal.aborted) return 130
  // Unit tests that pass must not hide that no case has run.
  return exitStatus({ ...cases, failed: sum.failed })
}
