// Owns the language: English is part of the first load, others come when they are chosen. `text()` is read while
// rendering, so that a change redraws.

import { signal } from '@preact/signals'
import { recall, remember } from '../state.ts'
import { en } from './en.ts'

export type Dictionary = typeof en
export const languages = { en: 'English', zh: '简体中文' } as const
export type Language = keyof typeof languages

export const language = signal<Language>('en')
const dictionary = signal<Dictionary>(en)

export const text = (): Dictionary => dictionary.value

export async function startLanguage(): Promise<void> {
  const kept = recall('language')
  const wanted = kept ?? (/^zh\b/i.test(navigator.language) ? 'zh' : 'en')
  await setLanguage(wanted === 'zh' ? 'zh' : 'en', false)
}

export async function setLanguage(next: Language, keep = true): Promise<void> {
  dictionary.value = next === 'zh' ? (await import('./zh.ts')).zh : en
  language.value = next
  document.documentElement.lang = next === 'zh' ? 'zh-CN' : 'en'
  if (keep) remember('language', next)
}
