-- What FedLung's servers leave behind, copied here in the background. Nobody reads a scan or a finding from these tables:
-- there are counts, names of accounts and hospitals, and models' checksums. Keys are made by the server, so that a row
-- that is sent twice is there once. Every file in this folder may be run again.

create table if not exists public.sites (          -- one row per data folder, of which a server sends its records
  id              uuid primary key,
  program_version text not null,
  hospitals       jsonb not null default '[]',     -- [{"id", "scans", "nodules"}]
  last_seen       timestamptz not null,
  version         integer not null default 1,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now()
);

create table if not exists public.runs (
  site_id    uuid not null references public.sites (id),
  id         text not null check (length(id) between 1 and 100),
  state      text not null check (state in ('queued', 'running', 'paused', 'finished', 'stopped', 'failed')),
  reason     text not null default '',
  round      integer not null check (round >= 0),
  rounds     integer not null check (rounds >= 0),
  started    timestamptz,
  ended      timestamptz,
  started_by text not null default '',
  arguments  jsonb not null default '{}',
  scans      jsonb not null default '{}',          -- hospital -> number of scans
  left_out   jsonb not null default '{}',
  note       text not null default '',
  version    integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (site_id, id)
);
create index if not exists runs_started on public.runs (started desc);

create table if not exists public.rounds (
  site_id      uuid not null,
  run_id       text not null,
  round        integer not null check (round >= 1),
  time         timestamptz,
  num_examples integer not null check (num_examples >= 0),
  seconds      double precision not null,
  metrics      jsonb not null default '{}',        -- name -> mean over the hospitals, weighted by scans
  hospitals    jsonb not null default '[]',        -- what each hospital brought
  dropped      jsonb not null default '{}',
  validation   jsonb not null default '{}',
  version      integer not null default 1,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  primary key (site_id, run_id, round),
  foreign key (site_id, run_id) references public.runs (site_id, id) on delete cascade
);

create table if not exists public.models (
  site_id    uuid not null references public.sites (id),
  id         text not null check (length(id) between 1 and 200),
  sha256     text not null check (sha256 = '' or sha256 ~ '^[0-9a-f]{64}$'),
  size_bytes bigint not null check (size_bytes >= 0),
  made       timestamptz,
  card       jsonb not null default '{}',
  version    integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (site_id, id)
);

create table if not exists public.promotions (
  id          uuid primary key,
  site_id     uuid not null references public.sites (id),
  model_id    text not null,
  sha256      text not null,
  promoted_by text not null,
  time        timestamptz not null,
  received    timestamptz not null default now()
);
create index if not exists promotions_time on public.promotions (time desc);

create table if not exists public.audit (
  id          uuid primary key,
  site_id     uuid not null references public.sites (id),
  seq         bigint not null check (seq >= 1),
  time        timestamptz,
  actor       text not null default '',
  action      text not null,
  target      text not null default '',
  hospital_id text not null default '',
  details     jsonb not null default '{}',
  received    timestamptz not null default now()
);
create index if not exists audit_site_seq on public.audit (site_id, seq desc);
create index if not exists audit_time on public.audit (time desc);

create table if not exists public.annotation_sets ( -- that somebody annotated a scan, when, and how much; never where
  id                 uuid primary key,
  site_id            uuid not null references public.sites (id),
  hospital_id        text not null,
  scan_key           uuid not null,                -- made from the scan's id and the site's secret number
  annotation_version integer not null check (annotation_version >= 1),
  author             text not null default '',
  time               timestamptz,
  origin             text not null default '',
  is_read            boolean not null,
  nodules            integer not null check (nodules >= 0),
  ignored            integer not null check (ignored >= 0),
  received           timestamptz not null default now()
);
create index if not exists annotation_sets_scan on public.annotation_sets (scan_key, annotation_version desc);

do $$
declare name text;
begin
  foreach name in array array['sites', 'runs', 'rounds', 'models'] loop
    execute format('drop trigger if exists %I on public.%I', name || '_count_version', name);
    execute format('create trigger %I before update on public.%I for each row
                    execute function public.fedlung_count_version()', name || '_count_version', name);
    execute format('grant select, insert, update on public.%I to service_role', name);
  end loop;
  -- Append-only: nobody changes what was done.
  foreach name in array array['promotions', 'audit', 'annotation_sets'] loop
    execute format('grant select, insert on public.%I to service_role', name);
  end loop;
  foreach name in array array['sites', 'runs', 'rounds', 'models', 'promotions', 'audit', 'annotation_sets'] loop
    execute format('alter table public.%I enable row level security', name);
    execute format('revoke all on public.%I from public, anon, authenticated', name);
  end loop;
end $$;
-- A run that had to go back to an earlier checkpoint loses the rounds after it.
grant delete on public.rounds to service_role;
