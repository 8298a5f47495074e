# SPDX-License-Identifier: GPL-2.0
# bash completion for dvmm(8)
_dvmm()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	case $before in
	dvmm)
		mapfile -t COMPREPLY < <(compgen -W "list status is-active top events metrics clock topology version doctor create check dump cmdline" -- "$word")
		;;
	check | dump | cmdline | status | is-active | top | events | metrics | clock | topology)
		mapfile -t COMPREPLY < <(compgen -W "$(dvmm list 2>/dev/null | cut -d" " -f1)" -- "$word"; compgen -f -- "$word")
		;;
	--transport)
		mapfile -t COMPREPLY < <(compgen -W "tcp rdma loop" -- "$word")
		;;
	--dir)
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "--json --dir --node --transport --count --delay --help" -- "$word")
		;;
	esac
}
complete -F _dvmm dvmm
