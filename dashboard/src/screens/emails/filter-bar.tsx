import { useEffect, useRef, useState } from 'react'

import { listed } from '../../address.ts'
import { Button } from '../../parts/button.tsx'
import { Select } from '../../parts/field.tsx'
import { phrase } from '../../parts/format.ts'
import { Close, Down, Search as Glass } from '../../parts/icons.tsx'
import { Menu, MenuItem } from '../../parts/menu.tsx'
import { STATUSES, statuses } from '../../parts/status.tsx'
import { NARROWING, PRIORITIES, type Search } from './filters.ts'

const SPANS = [
  ['', 'Any time'],
  ['15m', 'Last 15 minutes'],
  ['1h', 'Last hour'],
  ['24h', 'Last 24 hours'],
  ['7d', 'Last 7 days'],
] as const

type Change = (change: { [Name in keyof Search]?: string | undefined }) => void

/** What narrows the list; each part stands in the page's address. */
export function FilterBar({ search, onChange }: { search: Search; onChange: Change }) {
  const chosen = listed(search.status, STATUSES)
  const toggle = (status: (typeof STATUSES)[number]) => {
    const next = chosen.includes(status) ? chosen.filter((each) => each !== status) : [...chosen, status]
    onChange({ status: next.join(',') || undefined })
  }
  const [only] = chosen
  const label = chosen.length === 0 || only === undefined ? 'Any status' : chosen.length === 1 ? statuses[only].word : `${chosen.length} statuses`
  const since = SPANS.some(([value]) => value === (search.since ?? '')) ? (search.since ?? '') : 'other'

  return (
    <div className="mb-3 flex flex-wrap items-center gap-2" role="search">
      <SearchBox value={search.address} onChange={(address) => onChange({ address })} label="Recipient" placeholder="Recipient’s address" />
      <Menu label={<>{label}<Down /></>} name={`Status: ${label}`}>
        {() =>
          STATUSES.map((status) => {
            const { icon: Icon, colour, word } = statuses[status]
            return (
              <MenuItem key={status} checked={chosen.includes(status)} onClick={() => toggle(status)}>
                <Icon className={`size-4 ${colour}`} />
                {word}
              </MenuItem>
            )
          })
        }
      </Menu>
      <Select aria-label="Priority" value={search.priority ?? ''} onChange={(event) => onChange({ priority: event.target.value || undefined })}>
        <option value="">Any priority</option>
        {PRIORITIES.map((priority) => <option key={priority} value={priority}>{phrase(priority)}</option>)}
      </Select>
      <Select
        aria-label="Accepted"
        value={since}
        onChange={(event) => onChange({ since: event.target.value || undefined, until: undefined })}
      >
        {SPANS.map(([value, word]) => <option key={value} value={value}>{word}</option>)}
        {since === 'other' && <option value="other">As in the address</option>}
      </Select>
      <SearchBox value={search.domain} onChange={(domain) => onChange({ domain })} label="Sending domain" placeholder="Sending domain" small />
      {search.campaign !== undefined && <Chip label="One campaign" onRemove={() => onChange({ campaign: undefined })} />}
      {search.cause !== undefined && <Chip label={`Cause: ${search.cause}`} onRemove={() => onChange({ cause: undefined })} />}
      {NARROWING.some((name) => search[name] !== undefined) && (
        <Button tone="quiet" onClick={() => onChange(Object.fromEntries(NARROWING.map((name) => [name, undefined])))}>Clear</Button>
      )}
    </div>
  )
}

export function Chip({ label, onRemove }: { label: string; onRemove: () => void }) {
  return (
    <span className="inline-flex h-8 max-w-80 items-center gap-1 rounded-lg bg-accent-soft ps-2.5 text-accent-strong">
      <span className="clip" title={label}>{label}</span>
      <button type="button" aria-label={`Remove: ${label}`} onClick={onRemove} className="grid size-8 shrink-0 place-items-center"><Close className="size-3.5" /></button>
    </span>
  )
}

/** A field whose text is taken once its writer is done: by Enter, or by leaving it. */
export function SearchBox({
  value,
  onChange,
  label,
  placeholder,
  small = false,
}: {
  value: string | undefined
  onChange: (value: string | undefined) => void
  label: string
  placeholder: string
  small?: boolean
}) {
  const [text, setText] = useState(value ?? '')
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => setText(value ?? ''), [value])
  const take = (taken: string) => {
    const asked = taken.trim() || undefined
    if (asked !== value) onChange(asked)
  }
  return (
    <div className={`relative ${small ? 'w-40' : 'w-full sm:w-60'}`}>
      {!small && <Glass className="pointer-events-none absolute start-2.5 top-2 size-4 text-faint" />}
      <input
        ref={field}
        type="search"
        {...(small ? {} : { 'data-search': '' })}
        aria-label={label}
        placeholder={placeholder}
        value={text}
        autoCapitalize="off"
        spellCheck={false}
        onChange={(event) => {
          setText(event.target.value)
          if (event.target.value === '') take('')
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter') take(text)
          if (event.key === 'Escape') {
            setText(value ?? '')
            field.current?.blur()
          }
        }}
        onBlur={() => take(text)}
        className={`h-8 w-full rounded-lg border border-edge/45 bg-surface pe-2 placeholder:text-faint ${small ? 'ps-2.5' : 'ps-8'}`}
      />
    </div>
  )
}
