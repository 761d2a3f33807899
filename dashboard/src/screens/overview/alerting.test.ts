import { expect, it } from 'vitest'

import type { AlertNowFragment } from '../../api/generated.ts'
import { called, parted, typed } from './alerting.ts'

const alert = (name: string, severity: 'PAGE' | 'WARN', resolvedAt: string | null = null) =>
  ({ name, subject: null, severity, summary: '', advice: '', runbook: '', since: '2026-11-24T10:00:00Z', resolvedAt, toldAt: null }) as AlertNowFragment

it('what is over calls nobody', () => {
  const over = alert('database_away', 'PAGE', '2026-11-24T11:00:00Z')
  const warns = alert('bounce_rate', 'WARN')
  const grave = alert('queue_stalled', 'PAGE')
  expect(called([over])).toEqual({ n: 0, grave: false })
  expect(called([warns, over])).toEqual({ n: 1, grave: false })
  expect(called([grave, warns, over])).toEqual({ n: 2, grave: true })
  expect(parted([grave, warns, over])).toEqual({ raised: [grave, warns], over: [over] })
})

it('what is to be typed stands apart', () => {
  expect(typed('Ask `mailmind check`, then wait.')).toEqual(['Ask ', 'mailmind check', ', then wait.'])
  expect(typed('Wait.')).toEqual(['Wait.'])
})
