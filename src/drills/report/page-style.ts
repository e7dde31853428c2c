// How the page of a report looks.

export const pageStyle = `
body { font: 15px/1.5 system-ui, sans-serif; color: #222 }
body { max-width: 1000px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em } h2 { font-size: 1.2em; margin-top: 2em }
table { border-collapse: collapse; margin: 1em 0 }
th, td { text-align: left; padding: .2em .9em .2em 0; vertical-align: top; border-bottom: 1px solid #e5e5e5 }
tr.fault td { color: #b00020; font-weight: 600 } tr.heal td { color: #00695c; font-weight: 600 }
details { border: 1px solid #ddd; border-radius: 6px; padding: .5em 1em; margin: .6em 0 }
summary { cursor: pointer }
.badge { padding: .05em .5em; border-radius: 4px; color: #fff; font-size: .85em }
.passed { background: #2e7d32 } .failed { background: #b00020 } .skipped { background: #757575 }
.failure { color: #b00020; white-space: pre-wrap }
`;
