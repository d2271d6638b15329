# O que a janela diz.

app-name = Malote
window-title = { $name } — Malote — { $server }
window-title-offline = { $name } — Malote — { $server } (sem conexão)
window-title-unknown = Malote — { $server }

window-help-server = Servidor, como computador:porta (sem ele, o escolhido antes, ou a janela pergunta)
window-help-profile = Perfil a usar (sem ele, o primeiro livre: 0, 1, 2, …)
window-help-lang = Língua da janela: pt-BR ou en
window-help-theme = Aparência: system, light ou dark
window-help-geometry = Tamanho e posição da janela, como 640x700+0+0
window-about = A janela do Malote: mensagens pela rede local

# Ações: rótulo e dica
action-send = Enviar
action-send-hint = Envia a mensagem (Ctrl+Enter)
action-clear-form = Limpar
action-clear-form-hint = Esvazia destinatário, assunto e mensagem
action-new = Nova mensagem
action-new-hint = Começa uma mensagem nova (Ctrl+N)
action-reply = Responder
action-reply-hint = Responde a quem escreveu (Ctrl+R)
action-close = Fechar
action-close-hint = Fecha a mensagem aberta (Esc)
action-clear-list = Limpar lista
action-clear-list-hint = Tira todas as mensagens desta lista
action-undo = Desfazer
action-connect-now = Tentar agora
action-trust = Confiar na chave nova
action-trust-confirm = Sim, confiar nesta chave
action-edit-again = Editar e reenviar
action-edit-again-hint = Põe esta mensagem de volta no formulário

# Formulário
form-to = Destinatário
form-to-hint = Usuario1, Usuario2
form-subject = Assunto
form-subject-hint = Sem Assunto
form-body = Mensagem
form-body-hint = Escreva aqui
form-reply = Resposta a { $name }
form-cleared = O formulário foi esvaziado.
form-kept = O que você escreveu continua aqui.
form-last-sent = Última enviada: “{ $subject }”, { $state }
suggestion-connected = { $name }, conectado
suggestion-away = { $name }, ausente

# Listas
inbox = Caixa de Entrada
inbox-unread = Caixa de Entrada ({ $count })
inbox-empty = Nenhuma mensagem.
inbox-empty-hint = O que escreverem para você aparece aqui.
list-cleared = A lista foi limpa.
sent = Enviadas
sent-empty = Nada enviado ainda.
sent-empty-hint = O que você enviar aparece aqui, com o que foi feito de cada mensagem.
row-unread = Não lida, de { $name }: { $subject }, { $time }
row-read = De { $name }: { $subject }, { $time }
row-sent = Para { $name }: { $subject }, { $state }
recipients-more = { $first } e mais { $count }

# Leitura
letter-to = Para
state-at = { $state } { $time }

# Estado
status-online = Conectado a { $server }
status-connecting = Conectando a { $server }…
status-offline = Sem conexão com { $server }; tentando de novo
status-stopped = Sem conexão com { $server }
status-people =
    { $count ->
        [0] ninguém conectado
        [one] 1 pessoa conectada
       *[other] { $count } pessoas conectadas
    }
options = Opções
options-tell-read = Avisar quem escreveu quando eu abrir a mensagem
options-server-key = Chave do servidor, para comparar com a que ele mostra ao abrir:
trust-question = Só confirme se quem cuida do servidor disse que a chave mesmo mudou.
fatal-title = O Malote não pode abrir

# Datas, no formato de strftime
time-today = %H:%M
time-year = %d/%m
time-older = %d/%m/%Y
time-full = %d/%m/%Y %H:%M

# Lugares: caixa, salas e pessoas
rooms = Salas
people = Pessoas
people-in-room = Em { $room }
everybody = Todos
you = Você
place-you = { $name } (você)
place-unread =
    { $count ->
        [one] { $name }, 1 não lida
       *[other] { $name }, { $count } não lidas
    }
author-to-everybody = { $name } a todos
room-empty-hint = O que escreverem nesta sala aparece aqui.
person-empty-hint = O que esta pessoa escrever para você aparece aqui.
room-company =
    { $count ->
        [one] 1 pessoa na sala
       *[other] { $count } pessoas na sala
    }, { $connected ->
        [0] ninguém conectado
        [one] 1 conectada
       *[other] { $connected } conectadas
    }
room-members =
    { $count ->
        [0] ninguém
        [one] 1 pessoa
       *[other] { $count } pessoas
    }
room-finder-hint = Entre numa sala da lista, ou escreva o nome de uma nova:
room-finder-example = #obras
notice-entered = { $name } entrou na sala ({ $time })
notice-left = { $name } saiu da sala ({ $time })
notice-connected = { $name } se conectou ({ $time })
notice-disconnected = { $name } se desconectou ({ $time })
action-rooms = + Entrar
action-rooms-hint = Mostra as salas que existem, para entrar ou criar outra (Ctrl+J)
action-find-room = Entrar ou criar
action-enter-room = Entrar
action-enter-room-spoken = Entrar em { $room }
action-show-room = Abrir
action-show-room-spoken = Abrir { $room }
action-leave-room = Sair da sala
action-leave-room-hint = Você deixa de receber o que escreverem aqui; o que já chegou fica guardado
action-ask-name = Mudar meu nome…
action-take-name = Usar este nome
action-skip-name = Agora não
naming-first = Olá! Aqui você é { $name }. Quer usar um nome?
naming-first-hint = É o nome que os outros veem e escrevem em Destinatário. Dá para mudar depois, clicando nele aqui embaixo.
naming-change = Você é { $name }. Como quer ser chamado?
naming-change-hint = Deixe vazio para voltar a { $given }, que continua valendo sempre.
form-everybody =
    { $count ->
        [one] Esta mensagem vai para todos: mais 1 pessoa. Enviar mesmo?
       *[other] Esta mensagem vai para todos: mais { $count } pessoas. Enviar mesmo?
    }
action-send-everybody = Enviar a todos
action-do-not-send = Voltar

# Escolha do servidor
servers-title = Onde está o servidor?
servers-about = O Malote leva mensagens entre os computadores desta rede. Um deles é o servidor, que guarda e entrega as mensagens de todos.
servers-found = Servidores encontrados
servers-here = Neste computador
servers-none = Procurando na rede… Servidores abertos com malote-server --lan aparecem aqui sozinhos. Se nenhum aparecer, digite o endereço abaixo.
servers-search-again = Procurar de novo
servers-type = Ou digite o endereço
servers-type-hint = 192.168.0.10
servers-connect = Conectar
servers-back = Voltar a { $server }
servers-failed = Algo deu errado ao sair do servidor. Feche o Malote e abra-o de novo; o que você escreveu está guardado.
action-change-server = Trocar de servidor…

# Não consigo conectar
action-diagnose = Não consigo conectar
action-diagnose-again = Testar de novo
action-back = Voltar
doctor-title = Não consigo conectar
doctor-passed = certo
doctor-failed = falhou
doctor-skipped = não testado
doctor-testing = testando…
doctor-waiting = espera a vez

# Busca
action-search = Buscar
action-search-hint = Busca em todas as mensagens (Ctrl+F)
action-end-search = Fechar busca
action-end-search-hint = Volta à lista (Esc)
search-hint = Buscar (Ctrl+F)
found =
    { $count ->
        [0] Busca
        [one] 1 encontrada
       *[other] { $count } encontradas
    }
found-newest = As { $count } mais recentes
found-none = Nada encontrado.
found-none-hint = Tente menos palavras, ou só o começo delas. Maiúsculas e acentos não fazem diferença.
found-row = { $row }. Local: { $place }
