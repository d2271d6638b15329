# A página para navegadores. Só textos simples: o servidor os entrega como estão, e a página preenche os lugares.

page-title = Malote
