import { expect, it, vi } from 'vitest'

import { patiently } from './patiently.ts'

it('a part is loaded as soon as the service answers again', async () => {
  vi.useFakeTimers()
  const load = vi.fn<() => Promise<string>>().mockRejectedValueOnce(new TypeError()).mockRejectedValueOnce(new TypeError()).mockResolvedValue('part')
  const part = patiently(load)()
  await vi.advanceTimersByTimeAsync(1_500)
  expect(await part).toBe('part')
  expect(load).toHaveBeenCalledTimes(3)
  vi.useRealTimers()
})

it('one that is gone fails in the end', async () => {
  vi.useFakeTimers()
  const part = patiently(() => Promise.reject(new TypeError('gone')))()
  const failed = expect(part).rejects.toThrow('gone')
  await vi.advanceTimersByTimeAsync(120_000)
  await failed
  vi.useRealTimers()
})
