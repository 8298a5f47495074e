# SPDX-License-Identifier: GPL-2.0
# bash completion for dvmm(8)
_dvmm()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	case $before in
	dvmm)
		mapfile -t COMPREPLY < <(compgen -W "list status is-active top hot trace events metrics clock topology version doctor create check dump cmdline push diff up down run share wait pause resume reset move spread pack vcpus balance rehome nodes add remove evacuate checkpoint fork console hosts machines define undefine start stop fenced" -- "$word")
		;;
	check | dump | cmdline | push | diff | up | down | run | share | wait | pause | resume | reset | move | spread | pack | vcpus | balance | rehome | nodes | add | remove | evacuate | checkpoint | fork | console | define | undefine | start | stop | status | is-active | top | hot | trace | events | metrics | clock | topology)
		mapfile -t COMPREPLY < <(compgen -W "$(dvmm list 2>/dev/null | cut -d" " -f1)" -- "$word"; compgen -f -- "$word")
		;;
	--firmware)
		mapfile -t COMPREPLY < <(compgen -W "bios uefi" -- "$word")
		;;
	--symbols | --disk* | --cdrom | --kernel | --initrd)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		;;
	--transport)
		mapfile -t COMPREPLY < <(compgen -W "tcp rdma loop" -- "$word")
		;;
	--dir | --state | --from | --since | --restart | --keep)
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "--json --dir --state --node --transport --disk --net --mac --console --share --args --cpu --smp --firmware --count --delay --timeout --page --symbols --since --from --restart --every --replace --force --detach --once --dry-run --satellites --help" -- "$word")
		;;
	esac
}
complete -F _dvmm dvmm
