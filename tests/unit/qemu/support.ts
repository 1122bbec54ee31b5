import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { AgentChannel } from '../../../qemu/agent.ts'
import { compileStatic } from '../../../qemu/cc.ts'

export const agentSource = fileURLToPath(new URL('../../../qemu/agent/agent.c', import.meta.url))

/** A private directory that is gone after the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'copylab-unit-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** An executable shell script. */
export function script(directory: string, name: string, body: string): string {
  const path = join(directory, name)
  writeFileSync(path, `#!/bin/sh\n${body}\n`)
  chmodSync(path, 0o755)
  return path
}

/** The guest agent, compiled once a user and kept until its source changes. */
export function agentProgram(): Promise<string> {
  return compileStatic(agentSource, join(tmpdir(), `copylab-unit-agent-${process.getuid?.()}`))
}

/** The guest agent as a process of the host, with the host's end of its channel. */
export async function localAgent(): Promise<AgentChannel> {
  const child = spawn(await agentProgram(), ['--serve', '3'], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return new AgentChannel(child.stdio[3] as unknown as Duplex)
}
