// The witnesses of SCSI units, held against what was not.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { MiB } from '../fixtures/units.ts'

kernelCase(
  'control/029',
  'the commands of a unit are refused when they are of another way, or the target or the disk under it say otherwise',
  { needs: ['CONFIG_LOOPBACK_TARGET', 'CONFIG_TCM_IBLOCK'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'), { copies: false })
    const data = pattern(MiB(1))
    await unit.write(0, data)
    const call = await copy({ path: 'never', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) })
    const { activity } = call
    if (!activity?.beneath) throw new Error('no trace of the disk under the unit')
    const { beneath } = activity
    const seen = (change: Partial<typeof activity>) =>
      proof.device({ ...call, activity: { ...activity, ...change } })
    const range = { disk: unit.name, offset: MiB(8), bytes: MiB(1) }
    const copied = {
      copies: [{ disk: unit.name, ranges: 1, format: 0, bytes: range.bytes, sourcesUnseen: true as const }],
      copyDestinations: [range],
    }
    expect(() => proof.device({ ...call, activity: undefined }).fellBack()).toThrow(/there is no trace/)
    expect(() => proof.device(call).moved('offload')).toThrow(/Copy destinations of unit\d+: .* is missing/)
    expect(() => seen(copied).fellBack()).toThrow(/Copy destinations of unit\d+: .* is too much/)
    expect(() => seen({ ...copied, writes: [] }).moved('offload')).toThrow(
      /read over the link .* is too much/,
    )
    expect(() => seen({ reads: activity.reads.slice(1) }).fellBack()).toThrow(/read over the link .* missing/)
    expect(() => seen({ contradictions: ['the target counts more'] }).fellBack()).toThrow(/counts more/)
    const under = (change: Partial<typeof beneath>) => seen({ beneath: { ...beneath, ...change } })
    expect(() => under({ reads: [] }).fellBack()).toThrow(/not read from the disk under the unit, large/)
    expect(() => under({ writes: beneath.writes.slice(1) }).fellBack()).toThrow(
      /not written to the disk under/,
    )
    const besides = { disk: 'large', offset: 0, bytes: 512, carriesData: true }
    expect(() => under({ writes: [...beneath.writes, besides] }).fellBack()).toThrow(
      /under the unit, large: 0\+512/,
    )
    expect(() => proof.device(call).untouched()).toThrow(/was written to: unit/)
    expect(call.witnesses.device).toBe(false)

    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)
