# O que todos os programas do Malote dizem.

no-subject = Sem Assunto
damaged-subject = Mensagem danificada
damaged-body = O disco do servidor danificou esta mensagem, e o que ela dizia se perdeu. Quem a escreveu foi avisado, se ainda se sabe quem foi, e pode enviá-la de novo. Avise quem cuida do servidor: o disco precisa ser conferido.

# Destinatários
recipient-empty = Escreva para quem é a mensagem, por exemplo Usuario1.
recipient-too-long = O nome “{ $typed }” é longo demais: um nome tem no máximo { $max } caracteres.
recipient-character = O caractere “{ $character }” não pode fazer parte de um nome (“{ $typed }”). Separe vários destinatários com vírgula.
recipient-space = Um nome não tem espaços (“{ $typed }”). Separe vários destinatários com vírgula.
recipient-not-everybody = Depois de @ só pode vir “todos”. Para escrever a uma pessoa, use o nome dela sem @.
recipient-too-many = Uma mensagem pode ter no máximo { $max } destinatários.
subject-too-long = O assunto é longo demais: tem { $bytes } bytes e pode ter { $max }. Passe uma parte dele para a mensagem.
body-too-long = A mensagem é longa demais: tem { $bytes } bytes e pode ter { $max }. Divida-a em duas ou mais.
unknown-recipient = Ninguém aqui se chama { $name }.

# Estados de uma mensagem enviada
state-queued = na fila
state-accepted = aceita
state-delivered = entregue
state-read = lida
state-refused = recusada
state-queued-count =
    { $count ->
        [one] 1 na fila
       *[other] { $count } na fila
    }
state-accepted-count =
    { $count ->
        [one] 1 aceita
       *[other] { $count } aceitas
    }
state-delivered-count =
    { $count ->
        [one] 1 entregue
       *[other] { $count } entregues
    }
state-read-count =
    { $count ->
        [one] 1 lida
       *[other] { $count } lidas
    }
state-refused-count =
    { $count ->
        [one] 1 recusada
       *[other] { $count } recusadas
    }
refused-unknown_recipient = não há ninguém, nem sala, com esse nome
refused-not_a_member = só quem está na sala pode escrever nela
refused-too_large = é grande demais para este servidor
refused-invalid = o servidor não aceitou o pedido
refused-damaged = um disco a danificou antes que chegasse; se ainda vale, envie de novo
refused-expired = não foi possível enviá-la em 14 dias
refused-server_replaced = foi escrita para o servidor que havia antes; se ainda vale, escreva de novo
waiting-mailbox_full = a caixa do destinatário está cheia; nova tentativa em breve
waiting-server_full = o disco do servidor está cheio; nova tentativa em breve
waiting-out_of_turn = espera a vez, atrás de uma mensagem anterior
waiting-unknown_recipient = o servidor foi recuperado de uma cópia e ainda não conhece este destinatário; haverá nova tentativa
waiting-not_a_member = o servidor foi recuperado de uma cópia e ainda não pôs você de volta nesta sala; haverá nova tentativa
waiting-rate_limited = muitas mensagens de uma vez; segue em instantes

# Conexão
connect-refused = Não há servidor do Malote em { $server }. Confira o endereço e se o malote-server está aberto nesse computador.
connect-name = O nome “{ $server }” não leva a nenhum computador desta rede. Confira se foi bem digitado.
connect-unreachable = O computador { $server } não responde. Confira o cabo ou o Wi-Fi e se ele está ligado.
connect-not-malote = O que responde em { $server } não é um servidor do Malote. Confira a porta (a do Malote é { $port }).
connect-key-changed =
    A chave do servidor { $server } mudou. Pode ser outro computador fingindo ser ele, ou ele foi reinstalado.
    Nada foi enviado, e o que você escreveu está guardado. Pergunte a quem cuida do servidor se a chave nova é esta:
    { $found }
connect-version = O servidor { $server } fala outra versão do Malote. Atualize o programa mais antigo dos dois.
connect-lost = A conexão com { $server } caiu.
connect-silent = O servidor { $server } parou de responder.
connect-full = O servidor { $server } está lotado. O Malote continua tentando.
connect-superseded = Este perfil foi aberto em outro lugar, e aquela conexão tomou o lugar desta.
connect-stopping = O servidor { $server } está sendo desligado. O Malote volta a tentar sozinho.
connect-refused-proof = O servidor { $server } não reconheceu a chave deste perfil.

# Perfil
profile-in-use = O perfil “{ $profile }” já está em uso por outra janela ou comando. Feche-o ou escolha outro com --profile NOME.
profile-name = “{ $profile }” não serve como nome de perfil: use letras, números, ponto, hífen ou sublinhado.
profile-unwritable = Não é possível gravar em { $path }: { $reason }. Confira as permissões da pasta ou escolha outra com MALOTE_HOME.
profile-damaged = O perfil em { $path } não pode ser lido: { $reason }. Nada foi alterado; recupere uma cópia dele ou use outro perfil com --profile NOME.
profile-no-home = Não foi encontrada uma pasta para guardar os perfis. Indique uma com a variável MALOTE_HOME.
disk-full = O disco deste computador está cheio. Libere espaço e tente de novo.
archive-failed = Não foi possível gravar em { $path }: { $reason }. Corrija o problema e tente de novo.
server-address = “{ $server }” não é um endereço de servidor. Escreva computador:porta, por exemplo 192.168.0.10:{ $port }.

# Nomes e salas
name-empty = Escreva um nome, ou deixe para depois.
name-too-long = O nome “{ $typed }” é longo demais: pode ter no máximo { $max } caracteres.
name-character = O caractere “{ $character }” não pode fazer parte de um nome. Use letras, números, ponto, hífen ou sublinhado.
name-space = Um nome não tem espaços. Em vez de “{ $typed }”, experimente “{ $joined }”.
name-refused-taken = O nome { $name } já é de outra pessoa. Escolha outro.
name-refused-looks-like = O nome { $name } é parecido demais com { $other }, que é de outra pessoa. Escolha outro.
name-refused-reserved = O nome { $name } é reservado pelo Malote. Escolha outro.
name-refused-given-up = Alguém deixou o nome { $name } há pouco tempo, e ainda pode chegar correspondência para essa pessoa. Escolha outro, ou espere 30 dias.
name-refused-patience = Você trocou de nome muitas vezes. O próximo pode ser escolhido { $when }.
name-refused-server-full = O disco do servidor está cheio, e o nome não pôde ser guardado. Avise quem cuida do servidor.
room-refused-unknown = Não há sala chamada #{ $room }.
room-refused-looks-like = O nome #{ $room } é parecido demais com o da sala #{ $other }. Escolha outro.
room-refused-reserved = #{ $room } é reservado pelo Malote. Para escrever a todos, use @todos.
room-refused-too-many = Você já está em { $max } salas, e mais não é possível. Saia de uma delas antes.
room-refused-patience = Foram muitos pedidos de uma vez. Tente de novo { $when }.
room-refused-server-full = O servidor não tem lugar para outra sala. Avise quem cuida dele.
wait-moment = daqui a pouco
wait-minutes =
    { $count ->
        [one] em um minuto
       *[other] em { $count } minutos
    }
wait-days =
    { $count ->
        [one] amanhã
       *[other] em { $count } dias
    }

# Passo a passo: por que não há conexão
doctor-step-name = Nome
doctor-step-route = Caminho
doctor-step-port = Porta
doctor-step-tls = Cifra
doctor-step-version = Versão
doctor-step-key = Chave
doctor-leads = “{ $host }” leva a { $addresses }.
doctor-is-address = { $host } já é um endereço, não há nome a procurar.
doctor-leaves = Este computador tem um caminho até lá, a partir do endereço { $address }.
doctor-listens = Há um programa atendendo na porta { $port }.
doctor-encrypted = A conversa com ele é cifrada (TLS).
doctor-same-version = É um servidor do Malote e fala a mesma versão que este programa.
doctor-known-key = A chave é a mesma de antes.
doctor-new-key = Este perfil ainda não conhece este servidor. Para ter certeza de que é ele, compare esta chave com a que ele mostra ao abrir: { $found }
doctor-not-reached = Não testado: depende do passo anterior.
doctor-unknown-host = Nenhum computador desta rede responde pelo nome “{ $host }”. Confira se foi bem digitado. Se foi, use no lugar dele o endereço em números do computador do servidor, por exemplo 192.168.0.10.
doctor-no-route = Este computador não tem caminho até { $host }. Ligue o cabo ou o Wi-Fi e confira se os dois computadores estão na mesma rede.
doctor-host-unreachable = Nenhum computador responde em { $host }. Confira se ele está ligado e na mesma rede (mesmo Wi-Fi ou mesmo cabo que este), e se o endereço dele não mudou.
doctor-refused = O computador { $host } responde, mas nenhum programa o atende na porta { $port }. O mais comum é o servidor ter sido aberto sem a opção --lan: sem ela, só atende o próprio computador. Lá, abra-o com: malote-server --lan. Confira também se a porta é essa.
doctor-refused-here = Nenhum programa atende na porta { $port } deste computador. Abra o malote-server aqui ou, se o servidor está em outro computador, use o endereço dele.
doctor-no-answer = Nada volta de { $host }. Em geral é um firewall: no computador do servidor, libere a porta TCP { $port }. Confira também se ele está ligado e na mesma rede.
doctor-not-tls = O programa que atende nessa porta não é o Malote. Confira a porta (a do Malote é { $default }).
doctor-hung-up = O programa que atende nessa porta desliga sem dizer nada. Ou é outro programa (confira a porta; a do Malote é { $default }), ou o servidor está ocupado demais: tente de novo daqui a pouco.
doctor-silent = O programa que atende nessa porta não diz nada. Ou é outro programa (confira a porta; a do Malote é { $default }), ou o servidor travou: feche-o e abra-o de novo.
doctor-other-protocol = O que atende nessa porta não fala como este Malote. Ou é outro programa (confira a porta; a do Malote é { $default }), ou um Malote mais antigo ou mais novo: atualize o mais antigo dos dois.
doctor-other-version = É um servidor do Malote, mas de outra versão. Atualize o programa mais antigo dos dois.
doctor-all-passed = Tudo certo: este computador chega ao servidor { $server }.
doctor-something-failed = Este computador não chega ao servidor { $server }. O que fazer está no passo que falhou.
doctor-under-way = Testando a conexão com { $server }…
