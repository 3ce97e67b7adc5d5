# bash completion for replica(1)

# Collections of the database that the line names.
_replica_collections()
{
    local i db=
    for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
        [[ ${COMP_WORDS[i]} == --db ]] && db=${COMP_WORDS[i + 1]}
    done
    [[ -f $db ]] && replica ls --db "$db" 2>/dev/null | cut -f 1
}

_replica_options()
{
    case $1 in
        put) echo --db --collection --key --schema --rev --new ;;
        get) echo --db --collection --rev ;;
        delete) echo --db --collection --rev --keys ;;
        patch) echo --db --collection --rev ;;
        import) echo --db --collection --key --schema --upsert ;;
        export) echo --db --collection ;;
        ls) echo --db --collection --keys --json ;;
        find) echo --db --collection --keys --count --explain ;;
        explain) echo --db --collection ;;
        index) echo --db --collection --name --where --unique --text --json ;;
        search) echo --db --collection --index --limit ;;
        changes) echo --db --collection --since --limit --docs ;;
        sql) echo --db --param ;;
        watch) echo --db --collection --since --count --docs --query --keys ;;
        emit) echo --db --durable --collection --expires --wait --timeout ;;
        listen) echo --db --handle --collection --answer --at-most-once --lease --count ;;
        lock) echo --url --db --collection --own --name --client --fence --ttl --wait --token-file ;;
        unlock) echo --url --client --own --fence --token-file ;;
        locks) echo --url --db --watch --count --token-file --json ;;
        verify)
            echo --db --collection --url --repair --policy --token-file --timeout --json
            ;;
        sync)
            echo --db --collection --url --once --live --push-only --pull-only --token-file \
                --dialect --on-conflict --rules --keys --filter --timeout --key --schema --json \
                --trace
            ;;
        status) echo --db --all --json ;;
        check) echo --db --json ;;
        rejected) echo --db --all --collection --state --json ;;
        conflicts) echo --db --collection --id --keys --rule --replication --after --days --json ;;
        merge) echo --rules ;;
        history) echo --db --collection --json --keep ;;
        purge) echo --db --collection --older --idle ;;
        schema) echo --schema --all --formats --collection --registry ;;
        serve)
            echo --db --listen --token-file --jwt-key --jwks --jwt-issuer --jwt-audience --key --schema --rules --rules-file --purge-before --log --max-body \
                --max-streams --patience --allow-remote --full-sync
            ;;
    esac
    echo --help
}

_replica()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]}
    local commands="put get delete patch import export ls find explain search index changes watch emit listen lock unlock locks sql sync
        verify status
        conflicts merge history rejected check purge schema serve help"

    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$cur")
        return
    fi
    case $prev in
        --db | --token-file | --jwt-key | --jwks | --rules-file | --schema | --registry)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        --collection)
            mapfile -t COMPREPLY < <(compgen -W "$(_replica_collections)" -- "$cur")
            return
            ;;
        --dialect)
            mapfile -t COMPREPLY < <(compgen -W "auto rxdb" -- "$cur")
            return
            ;;
        --on-conflict | --policy)
            mapfile -t COMPREPLY < <(compgen -W "server-wins client-wins" -- "$cur")
            return
            ;;
        --url | --listen | --rev | --key | --since | --limit | --count | --older | --idle | \
            --timeout | --max-body | --max-streams | --patience | --id | --keys | --filter | --rule | \
            --replication | --after | --days | --keep | --expires | --lease)
            return
            ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_replica_options "$command")" -- "$cur")
        return
    fi
    case $command in
        help) mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
        import | merge) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        index) mapfile -t COMPREPLY < <(compgen -W "create drop ls" -- "$cur") ;;
        conflicts) mapfile -t COMPREPLY < <(compgen -W "list show restore waiting ours theirs" -- "$cur") ;;
        schema)
            mapfile -t COMPREPLY < <(compgen -W "check validate" -- "$cur"; compgen -f -- "$cur")
            ;;
        rejected) mapfile -t COMPREPLY < <(compgen -W "list retry discard export" -- "$cur") ;;
    esac
}

complete -o filenames -F _replica replica
