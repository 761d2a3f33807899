import { useEffect, useRef } from 'react'
import uPlot from 'uplot'

import { useCell } from '../api/use.ts'
import { zone } from './format.ts'

export interface ChartProps {
  /** Seconds. */
  times: number[]
  /** Each over the next: the highest is drawn first. */
  bars: number[][]
  /** Their colours, as names of the theme's variables. */
  colours: string[]
  /** Which bar the pointer is on. */
  onPoint?: (index: number | undefined) => void
  height?: number
  /** Seconds between two bars: no mark on the axis is closer. */
  step?: number
}

/** Seconds that marks of the axis may be apart. */
const STEPS = [60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800]

/** Bars over time, for the eye alone: a table beside it says the same in words. Loaded when it is first shown. */
export default function Chart({ times, bars, colours, onPoint, height = 184, step = 60 }: ChartProps) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const point = useRef(onPoint)
  point.current = onPoint
  const zoned = useCell(zone)
  const data = [times, ...bars] as uPlot.AlignedData
  const drawn = useRef(data)
  drawn.current = data

  useEffect(() => {
    const element = place.current
    if (element === null) return
    const make = () => {
      plot.current?.destroy()
      const style = getComputedStyle(document.documentElement)
      const colour = (name: string) => style.getPropertyValue(name).trim()
      const axis: uPlot.Axis = {
        stroke: colour('--faint'),
        font: '11px system-ui, sans-serif',
        grid: { stroke: colour('--line'), width: 1 },
        ticks: { show: false },
      }
      plot.current = new uPlot(
        {
          width: element.clientWidth,
          height,
          padding: [8, 16, 0, 0],
          legend: { show: false },
          cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
          ...(zoned === 'utc' ? { tzDate: (at: number) => uPlot.tzDate(new Date(at * 1_000), 'Etc/UTC') } : {}),
          scales: {
            // Half a bar of room at either end.
            x: { range: (_plot, low, high) => [low - (high - low) / 50, high + (high - low) / 50] },
            y: { range: (_plot, _low, high) => [0, Math.max(4, high * 1.1)] },
          },
          axes: [
            { ...axis, grid: { show: false }, space: 64, size: 26, values: '{HH}:{mm}', incrs: STEPS.filter((each) => each >= step) },
            { ...axis, size: 40, space: 36, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000] },
          ],
          series: [
            {},
            ...colours.map((name) => ({
              fill: colour(name),
              width: 0,
              points: { show: false },
              paths: uPlot.paths.bars!({ size: [0.72, 18], radius: 0.12, gap: 1 }),
            })),
          ],
          hooks: {
            setCursor: [(self) => point.current?.(self.cursor.idx ?? undefined)],
          },
        },
        drawn.current,
        element,
      )
    }
    make()
    const sized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }))
    sized.observe(element)
    const themed = new MutationObserver(make)
    themed.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    return () => {
      sized.disconnect()
      themed.disconnect()
      plot.current?.destroy()
      plot.current = undefined
    }
  }, [zoned, height, colours, step])

  useEffect(() => plot.current?.setData(data), [data])

  return <div ref={place} aria-hidden="true" style={{ height }} onMouseLeave={() => onPoint?.(undefined)} />
}
