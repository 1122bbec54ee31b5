/** The process: signals, what it says at its end, and its exit status. */
import { CommanderError } from 'commander'
import type { Start } from './cli/help.ts'
import { commandLine } from './cli.ts'
import { describeFailure, expected } from './failure.ts'

const signalStatus = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** 128 + SIGPIPE */
const brokenPipeStatus = 141

/** Parses and runs; the process ends by itself with the status that is set here. */
async function main(argv: string[]): Promise<void> {
  // A terminal that is gone takes no words; whatever runs has still to be ended.
  process.stderr.on('error', () => {})
  const controller = new AbortController()
  let interrupted: number | undefined
  for (const [name, status] of Object.entries(signalStatus)) {
    process.on(name, () => {
      if (interrupted !== undefined) process.exit(status)
      interrupted = status
      process.stderr.write(`\ncopylab: ${name}: ending what runs; once more to exit at once\n`)
      controller.abort(new Error(`interrupted by ${name}`))
    })
  }
  let started = false
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // What runs is being ended already; it may still say things.
    if (interrupted !== undefined) return
    if (error.code !== 'EPIPE') throw error
    // `copylab list | head` is no error. A run without its verdicts is: it ends as SIGPIPE would end it, but in order.
    if (!started) process.exit(0)
    interrupted = brokenPipeStatus
    process.exitCode = interrupted
    controller.abort(new Error('nobody reads the output any more'))
  })

  const start: Start = async (run) => {
    started = true
    process.exitCode = await run({ cwd: process.cwd(), signal: controller.signal })
  }
  try {
    await commandLine(start).parseAsync(argv, { from: 'user' })
  } catch (error) {
    process.exitCode = interrupted ?? statusOf(error)
  }
  if (interrupted !== undefined) process.exitCode = interrupted
  // git bisect run would take an error for a bad commit: only from 128 on it gives up.
  if (argv[0] === 'bisect' && argv[1] === 'step' && (process.exitCode === 2 || process.exitCode === 3)) {
    process.exitCode = 128
  }
  // Nothing is left running; a handle that a library forgot must not keep the process.
  setTimeout(() => process.exit(), 2000).unref()
}

/** Says what went wrong and returns the exit status for it. */
function statusOf(error: unknown): number {
  // commander has printed its own message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  const failure = expected(error)
  if (failure) {
    process.stderr.write(`copylab: ${describeFailure(failure)}\n`)
    return failure.kind === 'usage' ? 2 : 3
  }
  process.stderr.write(`copylab: this is a bug in copylab\n${(error as Error)?.stack ?? error}\n`)
  return 3
}

await main(process.argv.slice(2))
