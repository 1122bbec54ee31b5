import { stringify } from 'yaml'
import { quoted } from '../../../qemu/lost.ts'
import type { MatrixCell } from '../cells.ts'
import { firstOfEachKernel } from '../kernels.ts'
import { jobsOf } from '../shards.ts'

/** Debian with Node.js 20, where copylab installs what else it needs. */
const image = 'node:20-bookworm'

/**
 * A child pipeline of GitLab: a job for each kernel, which keeps it for the next pipeline, then the jobs that run cases
 * on it, then one that merges their results.
 */
export function gitlab(cells: readonly MatrixCell[], { shards }: { shards: number }): string {
  const jobs = jobsOf(cells, shards)
  const kernels = firstOfEachKernel(cells).map(({ cell: { name } }) => [kernelJob(name), buildJob(name)])
  const cases = jobs.map(({ name, cell, kernel, shard, slug }) => [
    caseJob(name),
    {
      stage: 'cases',
      needs: [{ job: kernelJob(kernel), artifacts: true }],
      script: [
        'npx copylab cache import kernel.tar',
        quoted([
          ...['npx', 'copylab', 'run', '--cell', cell],
          ...(shard === undefined ? [] : ['--shard', shard]),
          ...['--results', `results/${slug}`],
        ]),
      ],
      artifacts: { when: 'always', paths: ['results/'] },
    },
  ])
  const pipeline = {
    default: { image },
    stages: ['kernels', 'cases', 'report'],
    ...Object.fromEntries([...kernels, ...cases]),
    report: {
      stage: 'report',
      // A cell that fails, or whose kernel does not build, leaves the others' results to be reported.
      when: 'always',
      dependencies: jobs.map(({ name }) => caseJob(name)),
      script: [
        'npx copylab report results/* --matrix --output merged --format blktests --format junit=merged.xml',
      ],
      artifacts: { when: 'always', paths: ['merged/', 'merged.xml'], reports: { junit: 'merged.xml' } },
    },
  }
  return `# Made by copylab matrix --format gitlab.\n${stringify(pipeline, { aliasDuplicateObjects: false, lineWidth: 0 })}`
}

function buildJob(cell: string) {
  return {
    stage: 'kernels',
    cache: { key: `kernel-${cell}`, paths: ['kernel.tar'] },
    script: [
      'if [ -f kernel.tar ]; then npx copylab cache import kernel.tar; fi',
      `image=$(${quoted(['npx', 'copylab', 'build', '--cell', cell])})`,
      // Its directory is named by its key; what older pipelines have built is left behind.
      'key=$(basename "$(dirname "$image")")',
      'npx copylab cache export kernel.tar "$key"',
    ],
    artifacts: { paths: ['kernel.tar'], expire_in: '1 day' },
  }
}

const kernelJob = (cell: string) => `kernel ${cell}`
const caseJob = (name: string) => `cases ${name}`
