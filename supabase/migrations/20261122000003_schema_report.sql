-- What `flask --app app supabase check` asks: the tables as they are, and who may do what with them.
create or replace function public.fedlung_schema() returns jsonb language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(t.relname, jsonb_build_object(
    'row_security', t.relrowsecurity,
    'columns', (select jsonb_agg(a.attname order by a.attnum) from pg_catalog.pg_attribute a
                where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped),
    'unique', (select coalesce(jsonb_agg((select jsonb_agg(a.attname order by a.attname) from pg_catalog.pg_attribute a
                                          where a.attrelid = t.oid and a.attnum = any (c.conkey))), '[]')
               from pg_catalog.pg_constraint c where c.conrelid = t.oid and c.contype in ('p', 'u')),
    'policies', (select coalesce(jsonb_agg(p.polname order by p.polname), '[]') from pg_catalog.pg_policy p
                 where p.polrelid = t.oid),
    'rights', (select jsonb_object_agg(r.rolname, (
                 select coalesce(jsonb_agg(right_ order by right_), '[]')
                 from unnest(array['select', 'insert', 'update', 'delete']) right_
                 where has_table_privilege(r.oid, t.oid, right_)))
               from pg_catalog.pg_roles r where r.rolname in ('anon', 'authenticated', 'service_role'))
  )), '{}')
  from pg_catalog.pg_class t
  where t.relnamespace = 'public'::regnamespace and t.relkind in ('r', 'p')
$$;
revoke all on function public.fedlung_schema() from public, anon, authenticated;
grant execute on function public.fedlung_schema() to service_role;
