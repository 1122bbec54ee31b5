/** Runs a toy run that kills its own process, as SIGKILL does, in the third case; argv: the directory of results. */
import { runPlan } from '../../../../harness/run/run-plan.ts'
import { toyPlan, toyRun, toySteps } from './toy-run.ts'

const [results = ''] = process.argv.slice(2)
const { steps } = toySteps({
  judge: (cell, id) => {
    if (cell === 'y' && id === 'a/001') process.kill(process.pid, 'SIGKILL')
    return cell === 'x' && id === 'a/002' ? 'fail' : 'pass'
  },
})
await runPlan(toyRun(toyPlan(results, ['x', 'y']), steps))
