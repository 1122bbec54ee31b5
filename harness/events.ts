/** What long work reports while it runs. Producers emit, only displays consume. */
export type Event =
  | { type: 'step-started'; step: string; detail?: string }
  | { type: 'step-progress'; step: string; done?: number; total?: number; note?: string }
  | { type: 'step-finished'; step: string; cached: boolean; ms: number; detail?: string }
  | { type: 'note'; message: string }

export type Emit = (event: Event) => void
