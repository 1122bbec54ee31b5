/** The guest kernel's own story: the series' tracepoints, from /sys/kernel/tracing/trace. */

/** Where a traced range lies: `device` is `major:minor`, `sector` counts 512 bytes. */
export interface TracedPlace {
  device: string
  sector: number
}

export interface TracedCopy {
  event: string
  source: TracedPlace
  destination: TracedPlace
  bytes: number
  /** A negative errno or 0. */
  error: number
  reason?: string
}

/**
 * The lines of the named events. Fields are words followed by values (`src 259,1 2048`) or `key=value`; unknown
 * fields are let be, a missing one is an error, since a trace that is not understood proves nothing.
 */
export function parseGuestTrace(text: string, events: readonly string[]): TracedCopy[] {
  const result: TracedCopy[] = []
  for (const line of text.split('\n')) {
    const match = /^\s*\S.*?\s[\d.]+: (\w+): (.*)$/.exec(line)
    if (!match?.[1] || !events.includes(match[1])) continue
    const fields = parseFields(match[2] ?? '')
    const value = (name: string, position = 0) => {
      const found = fields.get(name)?.[position]
      if (found === undefined) throw new Error(`no '${name}' in the guest's trace line: ${line.trim()}`)
      return found
    }
    const place = (name: string) => ({
      device: value(name).replace(',', ':'),
      sector: Number(fields.get(`${name}_sector`)?.[0] ?? value(name, 1)),
    })
    const reason = fields.get('reason')?.join(' ')
    result.push({
      event: match[1],
      source: place('src'),
      destination: place('dst'),
      bytes: Number(value('bytes')),
      error: Number(value('error')),
      ...(reason === undefined ? {} : { reason }),
    })
  }
  return result
}

/**
 * True when the ring buffer may have lost events: its count of entries written is above the count it still has, or the
 * trace does not say.
 */
export function lostEvents(text: string): boolean {
  const match = /entries-in-buffer\/entries-written: (\d+)\/(\d+)/.exec(text)
  return match === null || match[1] !== match[2]
}

/**
 * Of the events that the tool was told to turn on, those that it has not said are there: without them the trace shows
 * nothing of what it should, and proves nothing.
 * @param output of `trace`, a line an event, named as it was told: `trace event=scsi/scsi_dispatch_cmd_done there=yes`
 */
export function eventsMissing(output: string, events: readonly string[]): string[] {
  const there = new Set([...output.matchAll(/^trace event=(\S+) there=yes$/gm)].map(([, name]) => name))
  return events.filter((event) => !there.has(event))
}

function parseFields(text: string): Map<string, string[]> {
  const fields = new Map<string, string[]>()
  let current: string[] = []
  for (const token of text.split(/\s+/)) {
    const pair = /^([a-z_]+)=(.*)$/.exec(token)
    if (pair?.[1]) {
      current = [pair[2] ?? '']
      fields.set(pair[1], current)
    } else if (/^(src|dst|src_sector|dst_sector|bytes|error|reason)$/.test(token)) {
      current = []
      fields.set(token, current)
    } else {
      current.push(token)
    }
  }
  return fields
}
