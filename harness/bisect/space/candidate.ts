/** What a bisection searches through, and how it is asked. */
import type { Cell } from '../../run/plan.ts'

/** Something that can be built and tested. */
export interface Candidate {
  /** In the journal and for the names of directories: `patches-3`, a commit's hash, a version. */
  id: string
  /** For people, one line: `patch 3 of 16: block: …`. */
  title: string
  /** Who wrote what this candidate adds to the one before it, and what it is called, where that is known. */
  change?: Change | undefined
  cell(): Promise<Cell>
}

/** A commit or a patch. */
export interface Change {
  subject: string
  /** `Name <address>` */
  author?: string | undefined
  /** Of a commit of a history that others have, too. */
  commit?: string | undefined
  /** Of a patch that came by mail, with its angle brackets. */
  messageId?: string | undefined
}

/** `before`, `after`: the change that is looked for. `skip`: it cannot be told there. */
export type Side = 'before' | 'after' | 'skip'

export type Next =
  | { test: Candidate }
  /** `parent` is the last one before the change. */
  | { found: Candidate; parent: Candidate }
  /** Only what was skipped is left: the change is one of these. */
  | { left: Candidate[] }

export interface Unable {
  candidates: readonly [Candidate, ...Candidate[]]
  reason: string
}

/** An ordered set of candidates, between one before the change and one after it. */
export interface Space {
  before: Candidate
  after: Candidate
  /** On which side a candidate lies that the case cannot run on. */
  notRun: Side
  /** Before `before` lie these, in order, on which the case cannot run, and why. The first is the end that was named. */
  unable?: Unable | undefined
  next(): Promise<Next>
  tell(candidate: Candidate, side: Side, reason: string): Promise<void>
  /** Steps that the search takes at most from now on, without repeats and skips. */
  stepsLeft(): Promise<number>
  /** What next() would ask after each answer to the present question: they may be built early. */
  upcoming?(): Promise<Candidate[]>
  /** `after` without the change, where that can be made: by its revert, or its patch left out. */
  without?(culprit: Candidate): Promise<Candidate>
  /** The search in another tool's words, such as git's log. */
  log?(): Promise<string>
}
