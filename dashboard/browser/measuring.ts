import type { CDPSession, Page } from 'playwright-core'

/** What a stretch of time cost the page. */
export interface Cost {
  frames: number
  p50: number
  p95: number
  longest: number
  /** Gaps of more than one and a half frames. */
  dropped: number
  longTasks: number
  longestTask: number
  /** Of the main thread's time, in percent. */
  busy: number
}

const DROPPED = 25

/** Of sorted numbers, the one below which this part of them lies. */
export function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0
}

interface Watching {
  gaps: number[]
  tasks: number[]
}

/** Counts frames and long tasks for a while, and asks the browser how long its main thread was busy. */
export async function costOf(page: Page, devtools: CDPSession, milliseconds: number): Promise<Cost> {
  const before = await taskSeconds(devtools)
  const { gaps, tasks } = await page.evaluate(
    (wanted) =>
      new Promise<Watching>((resolve) => {
        const gaps: number[] = []
        const tasks: number[] = []
        const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)))
        observer.observe({ type: 'longtask' })
        const begun = performance.now()
        let last = begun
        const frame = (now: number) => {
          gaps.push(now - last)
          last = now
          if (now - begun < wanted) return void requestAnimationFrame(frame)
          observer.disconnect()
          resolve({ gaps: gaps.slice(1), tasks })
        }
        requestAnimationFrame(frame)
      }),
    milliseconds,
  )
  const busy = ((await taskSeconds(devtools)) - before) / (milliseconds / 1_000)
  const sorted = gaps.toSorted((a, b) => a - b)
  return {
    frames: gaps.length,
    p50: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    longest: sorted.at(-1) ?? 0,
    dropped: gaps.filter((gap) => gap > DROPPED).length,
    longTasks: tasks.length,
    longestTask: Math.max(0, ...tasks),
    busy: busy * 100,
  }
}

async function taskSeconds(devtools: CDPSession): Promise<number> {
  const { metrics } = await devtools.send('Performance.getMetrics')
  return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0
}

/** What an interaction took: until the next paint that follows it, as the browser tells it, and until what was asked for is there. */
export interface Answer {
  paint: number
  data: number
}

/**
 * Does something and waits until the page shows it: `there` is an expression of the page's. Times run from the browser's own
 * stamp of the event to a frame's end.
 */
export async function answerOf(page: Page, act: () => Promise<unknown>, there: string): Promise<Answer> {
  await page.evaluate((condition) => {
    const shown = new Function(`return Boolean(${condition})`) as () => boolean
    const measured: { paint: number; data?: number } = { paint: 0 }
    // Event Timing rounds to 8 ms and tells nothing below 16.
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) measured.paint = Math.max(measured.paint, entry.duration)
    })
    observer.observe({ type: 'event', durationThreshold: 16 } as PerformanceObserverInit)
    const begin = (event: Event) => {
      for (const type of KINDS) document.removeEventListener(type, begin, true)
      const look = () => {
        if (!shown()) return void requestAnimationFrame(look)
        // After the frame that shows it.
        requestAnimationFrame(() => setTimeout(() => (measured.data = performance.now() - event.timeStamp)))
      }
      requestAnimationFrame(look)
    }
    const KINDS = ['pointerdown', 'keydown', 'change']
    for (const type of KINDS) document.addEventListener(type, begin, true)
    Object.assign(window, { measured })
  }, there)
  await act()
  await page.waitForFunction('window.measured.data !== undefined')
  // Entries come a little after the frame that they are about.
  await page.waitForTimeout(150)
  return page.evaluate('window.measured')
}
