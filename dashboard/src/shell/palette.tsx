import { useNavigate } from '@tanstack/react-router'
import { type KeyboardEvent, useState } from 'react'

import { Dialog } from '../parts/dialog.tsx'
import { setZone, zone } from '../parts/format.ts'
import { Envelope, Half, Search, Shield } from '../parts/icons.tsx'
import { setLook } from './look.ts'
import { type Place, places } from './places.ts'

interface Choice {
  key: string
  word: string
  means: string
  icon: Place['icon']
  go: () => void
}

/** Goes anywhere by a few letters: a screen, an address, an email's id. */
export function Palette({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate()
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const asked = text.trim()
  const lower = asked.toLowerCase()

  const choices: Choice[] = []
  if (asked.includes('@')) {
    choices.push(
      { key: 'emails', word: `Emails to ${asked}`, means: 'What was sent to this address', icon: Envelope, go: () => navigate({ to: '/emails', search: { address: asked } }) },
      { key: 'why', word: `May ${asked} be mailed?`, means: 'What blocks it, and what ever did', icon: Shield, go: () => navigate({ to: '/suppressions', search: { ask: asked } }) },
    )
  } else if (/^[A-Za-z0-9_=:-]{12,}$/.test(asked)) {
    choices.push({ key: 'id', word: 'Open the email with this id', means: asked, icon: Envelope, go: () => navigate({ to: '/emails', search: { email: asked } }) })
  }
  for (const { path, word, icon, means } of places) {
    if (`${word} ${means}`.toLowerCase().includes(lower)) {
      choices.push({ key: path, word, means, icon, go: () => navigate({ to: path }) })
    }
  }
  const settings: Choice[] = [
    { key: 'light', word: 'Light', means: 'Look', icon: Half, go: () => setLook('light') },
    { key: 'dark', word: 'Dark', means: 'Look', icon: Half, go: () => setLook('dark') },
    { key: 'system', word: 'As the machine has it', means: 'Look', icon: Half, go: () => setLook('system') },
    { key: 'zone', word: zone.get() === 'utc' ? 'Show times in local time' : 'Show times in UTC', means: 'Times', icon: Half, go: () => setZone(zone.get() === 'utc' ? 'local' : 'utc') },
  ]
  choices.push(...settings.filter(({ word, means }) => lower !== '' && `${word} ${means}`.toLowerCase().includes(lower)))

  const chosen = Math.min(at, choices.length - 1)
  const take = (choice: Choice | undefined) => {
    if (choice === undefined) return
    onClose()
    choice.go()
  }
  const move = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (by !== undefined) {
      event.preventDefault()
      setAt((chosen + by + choices.length) % Math.max(1, choices.length))
    } else if (event.key === 'Enter') {
      event.preventDefault()
      take(choices[chosen])
    }
  }

  return (
    <Dialog title="Go to" onClose={onClose}>
      <div className="flex items-center gap-2 border-b border-line px-4">
        <Search className="size-4 text-muted" />
        <input
          data-first=""
          role="combobox"
          aria-expanded="true"
          aria-controls="choices"
          aria-activedescendant={choices[chosen] === undefined ? undefined : `choice-${chosen}`}
          aria-label="Screen, address or email id"
          placeholder="Screen, address or email id"
          value={text}
          onChange={(event) => {
            setText(event.target.value)
            setAt(0)
          }}
          onKeyDown={move}
          className="h-11 flex-1 bg-transparent text-sm outline-none placeholder:text-faint"
        />
      </div>
      <ul id="choices" role="listbox" aria-label="Choices" className="p-1.5">
        {choices.map((choice, index) => {
          const Icon = choice.icon
          return (
            <li
              key={choice.key}
              id={`choice-${index}`}
              role="option"
              aria-selected={index === chosen}
              onMouseMove={() => setAt(index)}
              onClick={() => take(choice)}
              className={`flex cursor-pointer items-center gap-2.5 rounded-md px-2.5 py-2 ${index === chosen ? 'bg-sunken' : ''}`}
            >
              <Icon className="size-4 text-muted" />
              <span className="clip">{choice.word}</span>
              <span className="ms-auto clip text-muted">{choice.means}</span>
            </li>
          )
        })}
        {choices.length === 0 && <li role="option" aria-selected="false" className="px-2.5 py-2 text-muted">Nothing has this name.</li>}
      </ul>
    </Dialog>
  )
}
