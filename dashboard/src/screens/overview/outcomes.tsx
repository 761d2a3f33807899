import { getRouteApi } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'

import { useCell } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { clock, count, zone } from '../../parts/format.ts'
import { patiently } from '../../parts/patiently.ts'
import { Overview as Bars, Table } from '../../parts/icons.tsx'
import { Panel } from '../../parts/panel.tsx'
import { useNow } from '../../parts/time.tsx'
import { type Minute, type Outcome, OUTCOMES, SHOWN, stacked, sum, useMinutes } from './minutes.ts'

const Chart = lazy(patiently(() => import('../../parts/chart.tsx')))
const route = getRouteApi('/')

const looks: Record<Outcome, { word: string; colour: string; bar: string }> = {
  delivered: { word: 'Delivered', colour: '--bar-good', bar: 'bg-bar-good' },
  deferred: { word: 'Deferred', colour: '--bar-warn', bar: 'bg-bar-warn' },
  bounced: { word: 'Bounced', colour: '--bar-bad', bar: 'bg-bar-bad' },
  complained: { word: 'Complained', colour: '--bar-odd', bar: 'bg-bar-odd' },
}
const colours = [...OUTCOMES].reverse().map((outcome) => looks[outcome].colour)

/** What became of emails, minute by minute. */
export function Outcomes({ changed }: { changed: unknown }) {
  const { chart } = route.useSearch()
  const navigate = route.useNavigate()
  const zoned = useCell(zone)
  const { minutes, ready } = useMinutes(changed, useNow())
  const [at, setAt] = useState<number>()
  const pointed: Minute | undefined = at === undefined ? undefined : minutes[at]
  const shown = pointed ?? sum(minutes)
  const asTable = chart === 'table'
  const time = (minute: Minute) => clock(new Date(minute.at), zoned, new Date(), false)
  const heading = pointed === undefined ? `Last ${SHOWN} minutes` : time(pointed)

  return (
    <Panel
      title="Outcomes per minute"
      className="lg:col-span-2"
      extra={
        <Button tone="quiet" className="-me-2" aria-pressed={asTable} onClick={() => navigate({ search: asTable ? {} : { chart: 'table' }, replace: true })}>
          {asTable ? <Bars /> : <Table />}
          {asTable ? 'Chart' : 'Table'}
        </Button>
      }
    >
      <div className="p-4">
        <div className="mb-3 flex flex-wrap items-end gap-x-6 gap-y-2">
          <dl className="flex flex-wrap items-end gap-x-6 gap-y-2 max-sm:grid max-sm:w-full max-sm:grid-cols-2">
            {OUTCOMES.map((outcome) => (
              <div key={outcome} className="flex flex-col-reverse">
                <dt className="flex items-center gap-1.5 text-muted">
                  <span aria-hidden="true" className={`size-2 rounded-sm ${looks[outcome].bar}`} />
                  {looks[outcome].word}
                </dt>
                <dd className="text-base font-semibold" data-testid={`outcome-${outcome}`}>{count(shown[outcome])}</dd>
              </div>
            ))}
          </dl>
          <p className="ms-auto text-muted max-sm:order-first max-sm:w-full">{heading}</p>
        </div>
        {asTable ? (
          <div className="max-h-[184px] overflow-y-auto" tabIndex={0} role="region" aria-label="Outcomes per minute as a table">
            <table className="w-full">
              <thead className="sticky top-0 bg-surface text-muted">
                <tr>
                  <th scope="col" className="py-1">Minute</th>
                  {OUTCOMES.map((outcome) => (
                    <th key={outcome} scope="col" className="py-1 text-end">{looks[outcome].word}</th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {[...minutes].reverse().map((minute) => (
                  <tr key={minute.at} className="border-t border-line">
                    <th scope="row" className="py-1 font-normal">{time(minute)}</th>
                    {OUTCOMES.map((outcome) => (
                      <td key={outcome} className={`text-end ${minute[outcome] === 0 ? 'text-faint' : ''}`}>{count(minute[outcome])}</td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        ) : (
          <Suspense fallback={<div className="h-[184px]" />}>
            {ready ? (
              <Chart times={minutes.map((minute) => minute.at / 1_000)} bars={stacked(minutes)} colours={colours} onPoint={setAt} />
            ) : (
              <div className="h-[184px]" />
            )}
          </Suspense>
        )}
      </div>
    </Panel>
  )
}
