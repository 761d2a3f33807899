import { type FormEvent, useState } from 'react'

import { RevealAddressDocument } from '../../api/generated.ts'
import { useAct } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Field, Input } from '../../parts/field.tsx'
import { useViewer } from '../../session/viewer.tsx'

/** Whether whoever looks sees addresses masked, and may have them shown one at a time. */
function useMayReveal(): boolean {
  const { scopes } = useViewer()
  return scopes.includes('REVEAL') && !scopes.includes('SEND') && !scopes.includes('MANAGE')
}

/** Shows whom an email is for to whoever sees it masked and says why; that stays in the audit log. */
export function Reveal({ id }: { id: string }) {
  const may = useMayReveal()
  const { act, busy, problem, clear } = useAct(RevealAddressDocument, 'revealAddress')
  const [asking, setAsking] = useState(false)
  const [reason, setReason] = useState('')
  const [shown, setShown] = useState<{ id: string; addresses: readonly string[] }>()
  if (!may) return null
  // What was shown of another email is not this one’s.
  if (shown?.id === id) return <p className="mt-2 rounded-lg bg-sunken px-3 py-2" data-testid="revealed">{shown.addresses.join(', ')}</p>

  const close = () => {
    setAsking(false)
    setReason('')
    clear()
  }
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const told = await act({ id, reason: reason.trim() })
    if (told === undefined) return
    setShown({ id, addresses: [...(told.address == null ? [] : [told.address]), ...told.copies] })
    close()
  }
  return (
    <>
      <div className="mt-2"><Button onClick={() => setAsking(true)}>Show the address…</Button></div>
      {asking && (
        <Dialog title="Show the address" onClose={close}>
          <form onSubmit={submit} className="flex flex-col gap-3 p-4">
            <Field label="Why" hint="It stays in the audit log, with your key and the time." problem={problem}>
              <Input required data-first="" maxLength={500} value={reason} onChange={(event) => setReason(event.target.value)} />
            </Field>
            <div className="flex justify-end gap-2">
              <Button onClick={close}>Cancel</Button>
              <Button tone="main" type="submit" busy={busy} disabled={reason.trim() === ''}>Show it</Button>
            </div>
          </form>
        </Dialog>
      )}
    </>
  )
}
