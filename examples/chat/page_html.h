// The page: a conversation that is read out as it goes on, and a line to say something. It needs
// nothing from anywhere else.
#pragma once

#include <string_view>

namespace chat {

inline constexpr std::string_view kPage = R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>chat</title>
<style>
  :root { color-scheme: light dark; }
  body { margin: 0 auto; max-width: 45rem; height: 100vh; height: 100dvh; box-sizing: border-box;
    padding: 1rem; display: flex; flex-direction: column; gap: .75rem;
    font: 1rem/1.5 system-ui, sans-serif; }
  h1 { font-size: 1.25rem; margin: 0; }
  #lines { flex: 1; overflow-y: auto; margin: 0; padding: .75rem; list-style: none;
    border: 1px solid #767676; border-radius: .25rem; overflow-wrap: anywhere;
    white-space: pre-wrap; }
  #lines .note { opacity: .8; font-style: italic; }
  form { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
  input, button { font: inherit; padding: .4rem .6rem; min-height: 2.75rem; box-sizing: border-box; }
  input { flex: 1; min-width: 12rem; }
  p { margin: 0; }
</style>
</head>
<body>
<main style="display: contents">
<h1>chat</h1>
<ol id="lines" role="log" aria-label="Conversation" tabindex="0"></ol>
<form id="form">
<label for="say">Say</label>
<input id="say" autocomplete="off" maxlength="1000" required aria-describedby="hint" autofocus>
<button>Send</button>
</form>
<p id="hint">/nick NAME gives you a name, /help shows the rest.</p>
<p id="state" role="status">Connecting …</p>
</main>
<script>
  const lines = document.getElementById('lines'), say = document.getElementById('say');
  const state = document.getElementById('state');
  const show = (text) => {
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    const line = document.createElement('li');
    line.textContent = text;
    if (/^\*/.test(text)) line.className = 'note';
    lines.append(line);
    while (lines.children.length > 1000) lines.firstChild.remove();
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  };
  const secure = location.protocol === 'https:';
  const socket = new WebSocket((secure ? 'wss://' : 'ws://') + location.host + '/talk');
  socket.onopen = () => { state.textContent = secure ? 'Connected over TLS.' : 'Connected.'; };
  socket.onmessage = (event) => show(event.data);
  socket.onclose = () => {
    state.textContent = 'The connection has ended. Load the page again to come back.';
    say.disabled = document.querySelector('button').disabled = true;
  };
  document.getElementById('form').onsubmit = (event) => {
    event.preventDefault();
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(say.value);
    if (!say.value.startsWith('/')) show('you: ' + say.value);
    say.value = '';
    say.focus();
  };
</script>
</body>
</html>
)html";

}  // namespace chat
