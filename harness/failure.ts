/** `usage`: the user's input is wrong (exit status 2); `infra`: the harness or the machine failed (exit status 3). */
export type FailureKind = 'usage' | 'infra'

export interface FailureDetails {
  /** Path of the log that has the whole story. */
  log?: string
  /** The command line that reproduces the failure. */
  command?: string
  /** What the user can do about it. */
  remedy?: string
  cause?: unknown
}

/** Every expected error of copylab; any other exception is a bug and is shown with its stack. */
export class Failure extends Error {
  readonly kind: FailureKind
  readonly log: string | undefined
  readonly command: string | undefined
  readonly remedy: string | undefined

  constructor(kind: FailureKind, message: string, details: FailureDetails = {}) {
    super(message, { cause: details.cause })
    this.name = 'Failure'
    this.kind = kind
    this.log = details.log
    this.command = details.command
    this.remedy = details.remedy
  }
}

const makeRoom = 'make room there, or set XDG_CACHE_HOME, TMPDIR or --results to a larger disk'
const makeWritable = 'make it writable, or set XDG_CACHE_HOME, TMPDIR or --results to another place'

/** What a file system may say to anybody who writes, wherever that is; it is no bug. */
const diskRemedies: Record<string, string> = {
  ENOSPC: makeRoom,
  EDQUOT: makeRoom,
  EACCES: makeWritable,
  EROFS: makeWritable,
  EFBIG: 'raise the limit on the size of files: ulimit -f unlimited',
  EMFILE: 'raise the limit on open files: ulimit -n 4096',
}

/** The error as a Failure; undefined: it is a bug. */
export function expected(error: unknown): Failure | undefined {
  if (error instanceof Failure) return error
  const { code, message } = error as NodeJS.ErrnoException
  const remedy = code && diskRemedies[code]
  return remedy ? new Failure('infra', message, { remedy, cause: error }) : undefined
}

/** The message with log, command and remedy, a line each, as the command line prints it. */
export function describeFailure(failure: {
  message: string
  log?: string | undefined
  command?: string | undefined
  remedy?: string | undefined
}): string {
  const lines = [failure.message]
  if (failure.log) lines.push(`  log:     ${failure.log}`)
  if (failure.command) lines.push(`  command: ${failure.command}`)
  if (failure.remedy) lines.push(`  remedy:  ${failure.remedy}`)
  return lines.join('\n')
}
