"""The SQL of a look-up: every quote with its reasons not to be chosen, which of several sources goes first, filters and orders."""

from collections.abc import Mapping

from .doubts import doubts_sql
from .sources import NEGOTIATED

ACCELERATORS_SQL = """
create table accelerators as from read_csv($path, header = true, auto_detect = false, columns = {
  accelerator: 'varchar', memory_gib: 'double', memory_bandwidth_gb_s: 'double', bf16_dense_tflops: 'double',
  fp8_dense_tflops: 'double', tdp_w: 'double', interconnect: 'varchar', source: 'varchar', notes: 'varchar'})
"""

QUOTES_SQL = f"""
create table quotes as
with priced as (
  select o.cloud, o.instance_type, o.region, o.accelerator, o.accelerator_count,
         coalesce(o.accelerator_memory_gib, a.memory_gib) as accelerator_memory_gib, o.vcpus, o.memory_gib,
         coalesce(s.usd, o.price_usd_per_hour) as price_usd_per_hour,
         coalesce(s.spot_usd, o.spot_price_usd_per_hour) as spot_price_usd_per_hour,
         o.currency, o.vm_included, o.price_basis, o.source, o.as_of, o.disk_usd_per_gib_month,
         o.egress_usd_per_gib, a.accelerator is not null as known_accelerator, a.memory_bandwidth_gb_s * o.accelerator_count as bandwidth,
         a.bf16_dense_tflops * o.accelerator_count as tflops,
         case when $spot then o.spot_price_usd_per_hour else coalesce(o.price_usd_per_hour, o.spot_price_usd_per_hour) end
           as quoted_usd_per_hour,
         case when $spot then s.spot_usd else s.usd end as sky_usd_per_hour, s.as_of as sky_as_of,
         coalesce(sky_usd_per_hour, quoted_usd_per_hour) as usd_per_hour,
         sky_usd_per_hour is null and o.cloud in (select cloud from sky) as not_started
  from offers o left join accelerators a on a.accelerator = o.accelerator
  left join sky s on s.cloud = o.cloud and s.instance_type = lower(o.instance_type) and s.region = coalesce(lower(o.region), '')
)
select *, {doubts_sql()} as doubts from priced
"""
SAME_SERVER = "lower(cloud), lower(instance_type), accelerator_count, coalesce(split_part(accelerator, '-', 1), '')"
"""A part's form factor is left out: one instance type has one, and sources name it or do not."""

SUPERSEDED_SQL = f"""
create table superseded as
with suspects as (
  select hash({SAME_SERVER}, coalesce(lower(region), '')) as server from quotes where len(doubts) = 0 group by server having count(*) > 1
), ranked as (
  select quotes.rowid as row, source, first_value(source) over best as winner, first_value(as_of) over best as winner_date
  from quotes semi join suspects on suspects.server = hash({SAME_SERVER}, coalesce(lower(region), '')) where len(doubts) = 0
  window best as (
    partition by {SAME_SERVER}, coalesce(lower(region), '')
    order by (price_basis = '{NEGOTIATED}')::int desc, as_of desc nulls last, usd_per_hour, source)
) select row, winner, winner_date from ranked where winner <> source
"""
"""Of the quotes of one server that may be chosen: an agreed one goes first, then the newest dated one, then undated ones; the cheaper,
then the first name, where that is equal. A quote that is doubted itself supersedes nothing."""

SUPERSEDED_ANYWHERE_SQL = f"""
insert into superseded
with agreed as (
  select hash({SAME_SERVER}) as server, any_value(source) as source, max(as_of) as as_of from quotes
  where price_basis = '{NEGOTIATED}' and region is null and len(doubts) = 0 group by server
)
select quotes.rowid, agreed.source, agreed.as_of from quotes join agreed on agreed.server = hash({SAME_SERVER})
where len(quotes.doubts) = 0 and quotes.price_basis <> '{NEGOTIATED}'
  and quotes.rowid not in (select row from superseded)
"""
"""An agreed price without a region holds in every region."""

MARK_SQL = """
update quotes set doubts = ['superseded by ' || winner || coalesce(' of ' || winner_date::varchar, '')]
from superseded where superseded.row = quotes.rowid
"""

MEDIANS_SQL = f"""
create table medians as
select coalesce(accelerator, '') as of_accelerator, median(usd_per_hour / size) as listed_median
from (select *, case when accelerator is null then vcpus else accelerator_count end as size from quotes)
where len(doubts) = 0 and price_basis <> '{NEGOTIATED}' and size > 0 group by of_accelerator
"""
"""What one accelerator, or one vCPU of a server without any, is listed at: what agreed prices are held against."""

MATCHING_SQL = """
create temp table matching as
select quotes.*, listed_median, len(doubts) > 0 as doubtful
from quotes left join medians on of_accelerator = coalesce(accelerator, '')
where ($clouds::varchar[] is null or list_contains($clouds::varchar[], cloud))
  and ($accelerators::varchar[] is null or list_contains($accelerators::varchar[], accelerator))
  and ($include_cpu or accelerator is not null)
  and ($regions::varchar[] is null
       or len(list_filter($regions::varchar[], lambda r: starts_with(lower(region), lower(r)))) > 0)
  and ($memory_gib::double is null
       or case when accelerator is null then memory_gib else accelerator_memory_gib end >= $memory_gib::double)
  and (not $spot or spot_price_usd_per_hour is not null)
  and ($max_usd::double is null or usd_per_hour <= $max_usd::double)
  and ($count::double is null or accelerator_count = $count::double)
  and ($sources::varchar[] is null or len(list_filter($sources::varchar[], lambda s: contains(lower(source), lower(s)))) > 0)
  and not ($choosable_only and len(doubts) > 0)
"""
CHEAPEST_SQL = """
create temp table kept as
with had as (
  from matching where not doubtful
   and not list_contains($unavailable::varchar[], concat_ws('/', cloud, coalesce(region, 'None'), instance_type))
), least as (
  select cloud, accelerator, case when accelerator is null then vcpus else accelerator_count end as size,
         min(not_started) as not_started, arg_min(usd_per_hour, (not_started, usd_per_hour)) as usd_per_hour
  from had group by all
)
select had.* from had join least
  on least.cloud = had.cloud and least.accelerator is not distinct from had.accelerator
 and least.size is not distinct from case when had.accelerator is null then had.vcpus else had.accelerator_count end
 and least.usd_per_hour = had.usd_per_hour and least.not_started = had.not_started
qualify row_number() over (partition by least.cloud, least.accelerator, least.size order by region, instance_type) = 1
"""
"""The cheapest choosable quote of each kind of server, as planning_set has it; one that SkyPilot's catalogue lacks only where it
lacks all."""

TOTALS_SQL = """
select count(*), count(*) filter (where doubtful), min(as_of)::varchar, max(as_of)::varchar, count(*) filter (where as_of is null)
from matching
"""
DOUBTS_SQL = "select why, count(*) from (select unnest(doubts) as why from matching) group by why order by why"
SOURCES_SQL = r"""
select regexp_replace(source, ' \([^@]*\)$', '') as name, count(*), min(as_of)::varchar, max(as_of)::varchar
from matching group by name order by count(*) desc, name
"""
"""A source's remarks on single rows stand in brackets behind its name and commit."""

ORDERS: Mapping[str, str] = {
    "price": "usd_per_hour",
    "memory": "case when accelerator is null then memory_gib else accelerator_memory_gib * accelerator_count end desc nulls last",
    "bandwidth": "bandwidth desc nulls last",
    "usd-per-tflop": "usd_per_hour / nullif(tflops, 0) nulls last",
    "age": "as_of desc nulls last",
}
"""What may be sorted by; the best first: cheap, large, fast, new."""

LISTED_SQL = """
select cloud, instance_type, coalesce(region, 'unstated') as region, accelerator, accelerator_count, accelerator_memory_gib, vcpus,
       memory_gib, usd_per_hour, spot_price_usd_per_hour as spot_usd_per_hour, currency, vm_included, price_basis, source,
       as_of::varchar as as_of, $today::date - as_of as age_days, disk_usd_per_gib_month, egress_usd_per_gib, doubts,
       quoted_usd_per_hour, sky_usd_per_hour, sky_as_of::varchar as sky_as_of, $today::date - sky_as_of as sky_age_days,
       bandwidth as memory_bandwidth_gb_s, listed_median, usd_per_hour / nullif(tflops, 0) as usd_per_tflop_hour
from {table}
order by doubtful, {order}, usd_per_hour nulls last,
         cloud || '/' || coalesce(region, 'unstated') || '/' || instance_type || coalesce('/' || accelerator, ''), accelerator_count
limit {limit}
"""
