# O que o malote-server diz a quem o abre.

server-about = O servidor do Malote: guarda e entrega as mensagens da rede local
server-help-listen = Endereço e porta em que atende (porta 0 escolhe uma livre)
server-help-lan = Atende em todas as interfaces de rede, para os outros computadores, e se anuncia a eles por mDNS
server-help-data = Pasta onde ficam as mensagens e a chave do servidor
server-help-max-clients = Quantos clientes podem estar conectados ao mesmo tempo
server-help-config = Arquivo TOML com estas mesmas opções
server-help-log-format = Formato dos registros na saída de erros: text ou json
server-help-lang = Língua das mensagens: pt-BR ou en

server-address-in-use = O endereço { $address } já está em uso, talvez por outro malote-server. Feche-o ou escolha outra porta com { $option }.
server-address-forbidden = Este usuário não pode atender em { $address }. Escolha uma porta acima de 1023 com { $option }.
server-address-unavailable = O endereço { $address } não existe neste computador. Escolha outro com { $option }.
server-address-failed = Não foi possível atender em { $address }: { $reason }.
server-data-unwritable = Não é possível gravar na pasta { $path }: { $reason }. Confira as permissões ou escolha outra com --data.
server-data-locked = A pasta { $path } já está em uso por outro malote-server. Feche-o ou escolha outra pasta com --data.
server-store-refused = As mensagens em { $path } não podem ser abertas com segurança: { $reason }. Nada foi alterado. Mude o nome da pasta e recupere a última cópia de segurança dela com “malote-server restore CÓPIA”. Sem cópia, tente o mesmo com a própria pasta, já com o nome novo: o que ainda pode ser lido volta, e os programas das pessoas reenviam o que faltar.
server-disk-full = Não há mais espaço no disco para a pasta { $path }, e por isso as mensagens não podem ser abertas. Não há nada de errado com elas. Libere espaço e inicie o servidor de novo.
server-key-refused = A chave do servidor em { $path } não pode ser usada: { $reason }. Nada foi alterado. Copie server.key e server.crt de uma cópia de segurança. Sem eles, só apagando os dois o servidor volta a abrir, com outra chave, e cada pessoa terá de confirmá-la.
server-config-unreadable = O arquivo de configuração { $path } não pode ser lido: { $reason }.
server-store-failed = Não foi possível gravar as mensagens no disco: { $reason }. O servidor parou para não prometer o que não pode cumprir; nada do que foi aceito se perdeu.
server-no-data-directory = Não foi encontrada uma pasta para os dados. Indique uma com --data.

server-help-web = Endereço e porta da página para navegadores, ou off para não servi-la
server-help-web-cert = Certificado da página em PEM, em vez do próprio do servidor
server-help-web-key = Chave do certificado da página em PEM
server-help-web-visitors = Deixa que qualquer pessoa da rede fale em /chat, também fora deste computador
server-web-certificate-refused = O certificado para os navegadores não pode ser usado: { $reason }. Confira --web-cert e --web-key.
server-web-certificate-halved = Certificado e chave vão juntos: indique --web-cert e --web-key, ou nenhum dos dois.
server-help-plaintext = Só para medições: os clientes deste computador falam sem criptografia
server-plaintext-refused = Sem criptografia só são atendidos clientes deste computador, e { $address } serve também a outros. Retire --plaintext ou use o endereço 127.0.0.1.

server-command-check = Confere a pasta de dados, também com o servidor aberto
server-command-backup = Copia a pasta de dados, também com o servidor aberto
server-command-restore = Cria a pasta de dados a partir de uma cópia
server-help-to = Pasta da cópia, nova ou vazia
server-help-from = Pasta da cópia
server-data-present = Já há alguma coisa na pasta { $path }, e nada é gravado por cima. Escolha uma pasta nova ou mude o nome dessa.
server-in-order = Está tudo em ordem.
server-checked = A pasta { $path } foi lida inteira. Pessoas: { $people }. Salas: { $rooms }. Mensagens e recibos: { $entries }.
server-backed-up = A cópia está em { $path } e foi conferida. Pessoas: { $people }. Salas: { $rooms }. Mensagens e recibos: { $entries }. Guarde-a bem: com ela vai a chave do servidor.
server-restored = A cópia voltou em { $path }. Pessoas: { $people }. Salas: { $rooms }. Mensagens e recibos: { $entries }. Quando se conectarem, os programas das pessoas reenviam o que falta nela.
server-set-aside = Trechos danificados que já foram postos de lado: { $count }. Quem escreveu e quem receberia foi avisado.
server-found-damaged = Mensagens danificadas no disco: { $count }. Ao abrir, o servidor as põe de lado e avisa quem as escreveu e quem as receberia. Confira o disco.
