/** A package of Debian's archive. */
export interface DebianSource {
  /** `name`, or `name=version` to pin it, as apt-get takes it. */
  debian: string
  /** Suite to take it from, which the machine's apt sources need not name. Left out: the machine's own sources. */
  suite?: string | undefined
}

/** A name for the source, for people and for files: `linux-source-7.3@trixie-backports`. */
export function sourceName({ debian, suite }: DebianSource): string {
  return suite === undefined ? debian : `${debian}@${suite}`
}
