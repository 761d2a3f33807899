import type { ReactNode } from 'react'

import { Button } from '../../parts/button.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { tell } from '../../parts/notices.tsx'

/** Something that is shown once. */
export function Secret({ title, secret, children, onClose }: { title: string; secret: string; children?: ReactNode; onClose: () => void }) {
  return (
    <Dialog title={title} onClose={onClose}>
      <div className="flex flex-col gap-3 p-4">
        {children !== undefined && <p>{children}</p>}
        <p>Copy it now: it is shown once, and never again.</p>
        <code data-testid="secret" className="rounded-lg border border-line bg-canvas p-3 font-mono text-xs break-all">{secret}</code>
        <div className="flex justify-end gap-2">
          <Button
            data-first=""
            onClick={async () => {
              await navigator.clipboard.writeText(secret)
              tell('Copied.')
            }}
          >
            Copy
          </Button>
          <Button tone="main" onClick={onClose}>I have it</Button>
        </div>
      </div>
    </Dialog>
  )
}
