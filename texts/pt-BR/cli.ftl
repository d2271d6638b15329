# O que o malote-cli diz.

cli-about = Malote na linha de comando: mensagens pela rede local
cli-help-server = Servidor, como computador:porta
cli-help-profile = Perfil a usar (sem ele, o primeiro livre: 0, 1, 2, …)
cli-help-json = Um objeto JSON por linha, para programas
cli-help-lang = Língua das mensagens: pt-BR ou en
cli-help-timeout = Quantos segundos esperar pelo servidor
cli-help-to = Destinatários, separados por vírgula
cli-help-subject = Assunto
cli-help-body = A mensagem; - lê da entrada padrão
cli-help-fingerprint = A impressão digital da chave nova, como o servidor a mostra
cli-command-whoami = Mostra quem você é neste servidor
cli-command-send = Envia uma mensagem e espera as respostas
cli-command-inbox = Busca e mostra a caixa de entrada
cli-command-watch = Mostra cada mensagem quando chega, até ser interrompido
cli-command-clear = Limpa a caixa de entrada
cli-command-people = Lista as pessoas e quem está conectado
cli-command-trust = Aceita a chave nova de um servidor que mudou

cli-not-reached = Não foi possível falar com o servidor em { $seconds } s.
cli-kept = A mensagem está guardada e sai na próxima vez.
cli-not-kept = A mensagem não foi guardada nem enviada.
cli-body-unreadable = A entrada padrão não é um texto em UTF-8. A mensagem não foi enviada.
cli-input-failed = Não foi possível ler a mensagem da entrada padrão: { $reason }.
cli-no-messages = Nenhuma mensagem.
cli-cleared =
    { $count ->
        [0] A caixa de entrada já estava vazia.
        [one] Uma mensagem retirada da caixa de entrada.
       *[other] { $count } mensagens retiradas da caixa de entrada.
    }
cli-from-to = { $from } para { $to }
cli-state = { $to }: { $state }
cli-state-reason = { $to }: { $state } ({ $reason })
cli-connected = conectado
cli-away = ausente
cli-you = você
cli-trusted = De agora em diante, a chave do servidor { $server } é { $fingerprint }.
cli-bad-fingerprint = Isto não é a impressão digital de uma chave. Copie a que o servidor mostra ao abrir: SHA256: e 64 algarismos.

cli-command-doctor = Testa a conexão com o servidor, passo a passo
cli-command-servers = Procura servidores na rede local
cli-doctor-passed = { $step }: certo. { $detail }
cli-doctor-failed = { $step }: FALHOU. { $detail }
cli-doctor-not-reached = { $step }: { $detail }
cli-found = { $name }  { $address }
cli-found-here = neste computador
cli-none-found = Nenhum servidor foi encontrado. Os que são abertos com malote-server --lan aparecem aqui.
# Salas e nomes
cli-help-room = A sala, com ou sem #
cli-help-name = O nome a usar (sem ele, volta ao que o servidor deu)
cli-command-rooms = Lista as salas, quantas pessoas há em cada uma e se você está nela
cli-command-join = Entra em uma sala, e a cria se não existir
cli-command-leave = Sai de uma sala
cli-command-members = Lista quem está em uma sala em que você está, e quem está conectado
cli-command-name = Passa a usar um nome escolhido por você, ou deixa de usá-lo
cli-room =
    { $count ->
        [one] { $room }  1 pessoa
       *[other] { $room }  { $count } pessoas
    }
cli-room-member =
    { $count ->
        [one] { $room }  1 pessoa  você está nela
       *[other] { $room }  { $count } pessoas  você está nela
    }
cli-created = A sala { $room } é nova, e você está nela.
cli-entered = Você está na sala { $room }.
cli-left = Você não está mais na sala { $room }.
cli-not-in-room = Você não está na sala { $room }. Entre nela antes, com malote-cli join.
cli-named = Agora você se chama { $name }.

# Busca
cli-help-words = Palavras, ou como começam: acha as mensagens que têm todas elas
cli-command-search = Busca nas mensagens recebidas e enviadas, das mais recentes às mais antigas
cli-nothing-found = Nada encontrado.
cli-found-newest = Só as { $count } mais recentes aparecem aqui. Com mais palavras, aparecem menos.
