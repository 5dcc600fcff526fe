// Owns the start of the console: language and theme before the first drawing, then the session, then the stream of events.

import { render } from 'preact'
import './design/tokens.css'
import './design/base.css'
import './design/parts.css'
import { startLanguage } from './i18n/text.ts'
import { App } from './shell/app.tsx'
import { startTheme } from './state.ts'
import { startKeys } from './ui/keys.ts'

startTheme()
startKeys()
const root = document.querySelector('#app')
void startLanguage().then(() => root !== null && render(<App />, root))
