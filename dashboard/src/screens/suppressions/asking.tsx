import { useState } from 'react'
import { useQuery } from 'urql'

import { SuppressionStateDocument } from '../../api/generated.ts'
import { sentence } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Shield, Tick } from '../../parts/icons.tsx'
import { Empty, Loading, Problem } from '../../parts/states.tsx'
import { Badge, reasons } from '../../parts/status.tsx'
import { Ago, Time } from '../../parts/time.tsx'
import { useMay } from '../../session/viewer.tsx'
import { LiftConfirm } from './lifting.tsx'

/** Whether an address may be mailed, what blocks it, and what ever did. */
export function Asked({ target, onClose }: { target: string; onClose: () => void }) {
  const manages = useMay('MANAGE')
  // A domain is asked for by whichever address at it.
  const address = target.includes('@') ? target : `anybody@${target}`
  const [{ data, error }] = useQuery({ query: SuppressionStateDocument, variables: { address }, requestPolicy: 'cache-and-network' })
  const [lifting, setLifting] = useState(false)
  const state = data?.suppression
  return (
    <Dialog drawer title={target} onClose={onClose}>
      {state === undefined ? (
        error === undefined ? <Loading /> : <Problem error={error} />
      ) : (
        <div className="flex flex-col gap-5 p-4">
          <div className="flex items-start gap-3">
            {state.blocked ? <Shield className="mt-0.5 size-5 text-bad" /> : <Tick className="mt-0.5 size-5 text-good" />}
            <div className="flex-1">
              <p className="text-base font-semibold">{state.blocked ? 'It must not be mailed' : 'It may be mailed'}</p>
              <p className="text-muted">
                {state.blocked ? 'An email to it is accepted as Suppressed and not sent.' : state.history.length === 0 ? 'Nothing ever blocked it.' : 'What blocked it is over.'}
              </p>
            </div>
            {manages && state.blocked && <Button onClick={() => setLifting(true)}>Lift…</Button>}
          </div>
          {state.by.length > 0 && (
            <section aria-label="What blocks it">
              <h3 className="mb-1.5">What blocks it</h3>
              <ul className="rounded-lg border border-line">
                {state.by.map((entry) => (
                  <li key={entry.id} className="border-b border-line px-3 py-2 last:border-0">
                    <p className="flex flex-wrap items-center gap-x-3">
                      <Badge look={reasons[entry.reason]} />
                      {entry.scope === 'DOMAIN' && <span className="text-muted">all of {entry.target}</span>}
                      <span className="ms-auto text-muted">{entry.expiresAt == null ? 'For ever' : <>Ends <Ago at={entry.expiresAt} /></>}</span>
                    </p>
                    {entry.note != null && entry.note !== '' && <p className="mt-0.5 text-muted">{sentence(entry.note)}</p>}
                  </li>
                ))}
              </ul>
            </section>
          )}
          <section aria-label="History">
            <h3 className="mb-1.5">History</h3>
            {state.history.length === 0 ? (
              <Empty title="No history">Nothing ever suppressed or lifted it.</Empty>
            ) : (
              <ol>
                {state.history.map((fact, index) => (
                  <li key={index} className="flex gap-3 border-t border-line py-2">
                    <span className="w-28 shrink-0 text-muted"><Time at={fact.occurredAt} seconds={false} /></span>
                    <span className="min-w-0 flex-1">
                      {fact.lifted ? 'Lifted: ' : ''}{reasons[fact.reason].word}
                      {fact.bounceType != null && ` (${fact.bounceType.toLowerCase()})`}
                      {fact.note != null && fact.note !== '' && <span className="block text-muted">{sentence(fact.note)}</span>}
                    </span>
                  </li>
                ))}
              </ol>
            )}
          </section>
        </div>
      )}
      {lifting && <LiftConfirm target={target} reason={undefined} onClose={() => setLifting(false)} />}
    </Dialog>
  )
}
