-- FedLung's accounts. Every file in this folder may be run again: what is there stays.
-- Only the server's secret key (role service_role) reaches these tables: row level security is on and has no policy,
-- so nobody else sees a row, and the rights that older projects give to everybody are taken away.

-- Counts every change, whoever made it: an edit in the dashboard ends in a new version, too.
create or replace function public.fedlung_count_version() returns trigger language plpgsql set search_path = '' as $$
begin
  new.version := old.version + 1;
  new.created_at := old.created_at;
  new.updated_at := date_trunc('milliseconds', clock_timestamp());
  return new;
end $$;

-- Who edits an account by hand (the version stays) and changes what it may do, ends its sessions: the server counts
-- session_epoch itself.
create or replace function public.fedlung_end_sessions() returns trigger language plpgsql set search_path = '' as $$
begin
  if new.version = old.version and (new.is_active, new.role, new.hospital_id, new.password_hash)
      is distinct from (old.is_active, old.role, old.hospital_id, old.password_hash) then
    new.session_epoch := greatest(new.session_epoch, old.session_epoch + 1);
  end if;
  return new;
end $$;

-- By this database's clock, for those who ask what is new; updated_at of a new account is its maker's.
create or replace function public.fedlung_note_change() returns trigger language plpgsql set search_path = '' as $$
begin
  new.changed_at := clock_timestamp();
  return new;
end $$;

revoke all on function public.fedlung_count_version() from public, anon, authenticated;
revoke all on function public.fedlung_end_sessions() from public, anon, authenticated;
revoke all on function public.fedlung_note_change() from public, anon, authenticated;

create table if not exists public.users (
  id                   text primary key default replace(gen_random_uuid()::text, '-', ''),
  username             text not null,
  display_name         text not null,
  password_hash        text not null default 'none: an administrator has to reset it',
  role                 text not null,
  hospital_id          text,
  language             text not null default '',
  is_active            boolean not null default true,
  must_change_password boolean not null default true,
  session_epoch        integer not null default 0,
  version              integer not null default 1,
  created_at           timestamptz not null default date_trunc('milliseconds', now()),
  updated_at           timestamptz not null default date_trunc('milliseconds', now()),
  changed_at           timestamptz not null default clock_timestamp(),
  -- The same rules as fedlung/stores/users.py: what the dashboard lets in, the server must be able to read.
  constraint users_username_is_unique unique (username),
  constraint users_id_is_32_digits check (id ~ '^[0-9a-f]{32}$'),
  constraint users_username_is_normal check (
    length(username) between 1 and 64 and username !~ '[A-Z[:cntrl:]]' and username !~ '^ | $|  '
    and username is nfkc normalized
  ),
  constraint users_display_name_is_normal check (
    length(display_name) between 1 and 100 and display_name !~ '[[:cntrl:]]' and display_name !~ '^ | $|  '
    and display_name is nfc normalized
  ),
  constraint users_role_is_known check (role in ('admin', 'staff', 'clinician')),
  constraint users_hospital_follows_role check ((hospital_id is null) = (role = 'admin')),
  constraint users_hospital_is_a_name check (hospital_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
  constraint users_language_is_known check (language in ('', 'en', 'zh')),
  constraint users_numbers_count_upwards check (version >= 1 and session_epoch >= 0)
);
create index if not exists users_changed_at on public.users (changed_at);

-- Triggers run in the order of their names: this one before the version is counted.
drop trigger if exists users_change_ends_sessions on public.users;
create trigger users_change_ends_sessions before update on public.users
  for each row execute function public.fedlung_end_sessions();
drop trigger if exists users_count_version on public.users;
create trigger users_count_version before update on public.users
  for each row execute function public.fedlung_count_version();
drop trigger if exists users_note_change on public.users;
create trigger users_note_change before insert or update on public.users
  for each row execute function public.fedlung_note_change();

alter table public.users enable row level security;
revoke all on public.users from public, anon, authenticated;
-- No delete: who leaves is made inactive, so that a name in the audit always means the same person.
grant select, insert, update on public.users to service_role;
