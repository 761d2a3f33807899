import type { AlertNowFragment } from '../../api/generated.ts'

/** What is wrong, and what was until a while ago, both in the order of the service. */
export function parted(alerts: readonly AlertNowFragment[]): Record<'raised' | 'over', AlertNowFragment[]> {
  return { raised: alerts.filter(({ resolvedAt }) => resolvedAt == null), over: alerts.filter(({ resolvedAt }) => resolvedAt != null) }
}

/** How many are raised, and whether any of them wants somebody now. */
export function called(alerts: readonly AlertNowFragment[]): { n: number; grave: boolean } {
  const { raised } = parted(alerts)
  return { n: raised.length, grave: raised.some(({ severity }) => severity === 'PAGE') }
}

/** A sentence in which what stands between backticks is to be typed: every second part. */
export function typed(sentence: string): string[] {
  return sentence.split('`')
}
