# SPDX-License-Identifier: GPL-2.0
# bash completion for dvmm(8)
_dvmm()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	case $before in
	dvmm)
		mapfile -t COMPREPLY < <(compgen -W "status version doctor create check dump cmdline list" -- "$word")
		;;
	check | dump | cmdline)
		mapfile -t COMPREPLY < <(compgen -W "$(dvmm list 2>/dev/null)" -- "$word"; compgen -f -- "$word")
		;;
	--transport)
		mapfile -t COMPREPLY < <(compgen -W "tcp rdma loop" -- "$word")
		;;
	--dir | --debugfs)
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "--json --dir --node --transport --debugfs --help" -- "$word")
		;;
	esac
}
complete -F _dvmm dvmm
