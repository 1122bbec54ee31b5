/** Other processes, as /proc shows them. */
import { readFileSync } from 'node:fs'

export interface ProcessInfo {
  pid: number
  argv: string[]
}

/**
 * A process and all that came of it, parents first; empty when it is gone. Only what a process's first thread has
 * started is found (proc(5), /proc/PID/task/TID/children), which is all that Node.js, npm and shells start.
 */
export function processTree(pid: number): ProcessInfo[] {
  const words = readProc(`/proc/${pid}/cmdline`)
  if (words === undefined) return []
  const children = readProc(`/proc/${pid}/task/${pid}/children`) ?? ''
  const argv = words.split('\0').slice(0, -1)
  return [{ pid, argv }, ...children.trim().split(' ').filter(Boolean).map(Number).flatMap(processTree)]
}

/** Undefined when the process is gone, which it may be at any moment. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
